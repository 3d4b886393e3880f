"""What batch transform is made of: payloads, RecordIO, JSONPath, filters and joins, the ledger."""

import struct

import pytest

from infra.sagemaker.errors import ValidationException
from infra.sagemaker.json_paths import JsonPath, SelectionError
from infra.sagemaker.object_store import StorageError
from infra.sagemaker.recordio import records, wrapped
from infra.sagemaker.transform_ledger import Ledger
from infra.sagemaker.transform_processing import Processing
from infra.sagemaker.transform_records import Batching, Split, Strategy, TransformError

MAGIC = struct.pack("<I", 0xCED7230A)
MULTI, SINGLE = Strategy.MULTI_RECORD, Strategy.SINGLE_RECORD


def pieces_of(content, size):
    """The content in pieces of a size."""
    return (content[at : at + size] for at in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_recordio_is_taken_apart_whatever_pieces_it_comes_in(size):
    """What `wrapped` made, the magic at several places of a payload included."""
    payloads = [b"", b"one", MAGIC, MAGIC + b"two" + MAGIC, b"1234" + MAGIC + b"5678"]
    content = b"".join(map(wrapped, payloads))
    found = list(records(pieces_of(content, size)))
    assert [one.payload for one in found] == payloads
    assert b"".join(one.framed for one in found) == content


@pytest.mark.parametrize(
    "content",
    [b"\xff\xd8\xff\xe0 a photo", wrapped(b"one")[:-2], wrapped(b"one") + b"x", wrapped(MAGIC)[:8]],
)
def test_what_is_no_recordio_is_said_to_be_none(content):
    """Other bytes, a cut record, a cut head, a record without its last part."""
    with pytest.raises(StorageError, match="expected RecordIO"):
        list(records([content]))


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("strategy", "limit", "expected"),
    [
        (SINGLE, 5, [[b"12345"], [b"1"], [b"123"], [b"12"]]),
        (MULTI, 5, [[b"12345"], [b"1", b"123"], [b"12"]]),
        (MULTI, 6, [[b"12345"], [b"1", b"123"], [b"12"]]),
        (MULTI, 7, [[b"12345", b"1"], [b"123", b"12"]]),
        (MULTI, 100, [[b"12345", b"1", b"123", b"12"]]),
    ],
)
def test_lines_fill_a_payload_up_to_its_limit(size, strategy, limit, expected):
    """Line ends between them counted; empty lines are none."""
    batching = Batching(Split.LINE, strategy, limit)
    found = list(batching.batches(pieces_of(b"12345\n1\n\n123\n12\n", size)))
    assert found == expected
    assert all(len(batching.payload(records)) <= limit for records in found)


@pytest.mark.parametrize("split", list(Split))
@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_record_beyond_the_limit_is_refused(split, strategy):
    """Whole object, line or record: before more of it is held than the limit and a piece."""
    content = wrapped(b"12345") if split is Split.RECORDIO else b"12345"
    with pytest.raises(TransformError, match="Too much data for max payload size"):
        list(Batching(split, strategy, 4).batches([content]))


def test_an_endless_line_is_given_up_at_the_limit():
    """It is not gathered first."""

    def endless():
        while True:
            yield b"x" * 10

    with pytest.raises(TransformError):
        list(Batching(Split.LINE, MULTI, 100).batches(endless()))


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$", [1], [1]),
        ("$[1:]", [1, 2, 3], [2, 3]),
        ("$[5:]", [1, 2, 3], []),
        ("$.features", {"features": [1, 2], "id": 0}, [1, 2]),
        ("$[0,5:]", [*range(8)], [0, 5, 6, 7]),
        ("$[-1]", [1, 2], 2),
        ("$['id','SageMakerOutput']", {"id": 1, "a": 2, "SageMakerOutput": 3}, {"id": 1, "SageMakerOutput": 3}),
        ("$.a.b", {"a": {"b": 7}}, 7),
        ("$.a[0,1]", {"a": [1, 2, 3]}, [1, 2]),
        ("$.*", {"a": 1, "b": 2}, [1, 2]),
        ("$.rows[*].x", {"rows": [{"x": 1}, {"x": 2}]}, [1, 2]),
    ],
)  # fmt: skip
def test_a_path_selects_as_the_developer_guide_shows(path, value, expected):
    """One place its value, names an object, anything else an array."""
    assert JsonPath.parse(path).select(value) == expected


@pytest.mark.parametrize(
    ("path", "value"), [("$.a", {}), ("$[3]", [1]), ("$[0,3]", [1]), ("$['a','b']", {"a": 1})]
)
def test_a_part_that_is_spelled_out_and_not_there_is_an_error(path, value):
    """The API reference says so of indexes beyond the dimension."""
    with pytest.raises(SelectionError, match="nothing is there"):
        JsonPath.parse(path).select(value)


@pytest.mark.parametrize("path", ["", "a", "$[", "$..a", "$[?@.a > 1]", "$.a | $.b"])
def test_what_the_service_does_not_support_is_refused(path):
    """Broken paths, recursive descent, filters, unions."""
    with pytest.raises(ValidationException, match="JSONPath"):
        JsonPath.parse(path)


def processing(content_type, accept, **given):
    """DataProcessing of a request."""
    return Processing.parse(
        {
            "TransformInput": {"ContentType": content_type},
            "TransformOutput": {"Accept": accept} if accept else {},
            "DataProcessing": given,
        }
    )


@pytest.mark.parametrize(
    ("asked", "joined"),
    [
        (b'{"a":1}', b'{"a":1,"SageMakerOutput":[2]}'),
        (b"[1]", b'{"SageMakerInput":[1],"SageMakerOutput":[2]}'),
    ],
)
def test_a_joined_answer_is_always_an_object(asked, joined):
    """The API reference: one that is made where the input is none."""
    one = processing("application/json; charset=utf-8", None, JoinSource="Input")
    assert one.finish([asked], b"[2]") == joined


def test_answers_that_cannot_be_told_apart_are_an_error():
    """Fewer lines than were asked."""
    one = processing("text/csv", "text/csv", JoinSource="Input")
    with pytest.raises(TransformError, match="1 answers to 2 records") as error:
        one.finish([b"1", b"2"], b"3\n")
    assert error.value.fault == "AlgorithmError"


@pytest.mark.parametrize(
    ("content_type", "path", "row", "words"),
    [
        ("application/json", "$.a", b"{", "DataProcessing of '{'"),
        ("application/json", "$.a", b"[]", "nothing is there"),
        ("text/csv", "$[9]", b"1,2", "nothing is there"),
        ("text/csv", "$[0]", b'"1', "DataProcessing of"),
    ],
)
def test_a_record_that_cannot_be_filtered_is_the_clients_fault(content_type, path, row, words):
    """Not of its type, or without the part."""
    with pytest.raises(TransformError, match=words) as error:
        processing(content_type, None, InputFilter=path).prepare([row])
    assert error.value.fault == "ClientError"


def test_a_ledger_knows_what_stood_before(tmp_path):
    """Whatever characters keys have, and wherever a kill cut the last line off."""
    with Ledger.open(tmp_path / "done") as ledger:
        ledger.add("s3://b/a\n.out")
        ledger.add("s3://b/ü.out")
    with (tmp_path / "done").open("a") as file:
        file.write('"s3://b/c')
    with Ledger.open(tmp_path / "done") as ledger:
        assert len(ledger) == 2
        assert "s3://b/a\n.out" in ledger
        assert "s3://b/c.out" not in ledger
        ledger.add("s3://b/c.out")
    with Ledger.open(tmp_path / "done") as ledger:
        assert "s3://b/c.out" in ledger
        assert "s3://b/ü.out" in ledger
