"""RecordIO: what MXNet wrote is read to the byte, and damage is told wherever it lies."""

import io

import mxnet as mx
import numpy as np
import pytest

from training.channels.recordio import MAGIC, frames, packed, unpack

pytestmark = pytest.mark.filterwarnings("ignore:tostring:DeprecationWarning:mxnet")


@pytest.fixture
def written(tmp_path):
    """A function: the bytes of a file that MXNet writes of some records."""

    def write(*records):
        writer = mx.recordio.MXRecordIO(str(tmp_path / "a.rec"), "w")
        for record in records:
            writer.write(record)
        writer.close()
        return (tmp_path / "a.rec").read_bytes()

    return write


@pytest.mark.parametrize(
    "record",
    [b"", b"a", b"abcd", b"abcde", MAGIC, b"1234" + MAGIC + b"5678", MAGIC * 3, b"x" + MAGIC],
)
def test_records_come_back_as_mxnet_wrote_them(written, record):
    """Of any length, and where the magic word stands in the data, which cuts it in parts."""
    found = list(frames(io.BytesIO(written(b"before", record, b"behind"))))
    assert [frame.data for frame in found] == [b"before", record, b"behind"]


def test_a_record_knows_its_place(written):
    """Offset and length cut each record out of the file, parts and all."""
    content = written(b"one", b"1234" + MAGIC + b"5678", b"three")
    found = list(frames(io.BytesIO(content)))
    pieces = [content[frame.offset : frame.offset + frame.length] for frame in found]
    assert b"".join(pieces) == content
    assert [next(frames(io.BytesIO(piece))).data for piece in pieces] == [f.data for f in found]


@pytest.mark.parametrize("cut", [1, 4, 7, 9, 21, 30])
def test_a_stream_that_ends_within_a_record_is_damaged(written, cut):
    """Wherever it is cut, between the parts of a record too."""
    content = written(b"1234" + MAGIC + b"5678" + MAGIC + b"9")
    with pytest.raises(ValueError, match="damaged"):
        list(frames(io.BytesIO(content[:cut])))


@pytest.mark.parametrize("place", [2, 3, 4, 7])
def test_a_part_out_of_place_is_damaged(place):
    """A record cannot begin with a middle or a last part, or with one that there is not."""
    part = MAGIC + (place << 29 | 4).to_bytes(4, "little") + b"abcd"
    with pytest.raises(ValueError, match="damaged"):
        list(frames(io.BytesIO(part)))


@pytest.mark.parametrize("label", [3.0, [1.0, 0.0, 1.0], [2.0]])
def test_labels_and_photo_are_taken_apart(label):
    """One label within the header, or several behind it, as MXNet packs them."""
    header = mx.recordio.IRHeader(0, label, 7, 0)
    record = unpack(mx.recordio.pack(header, b"photo"))
    assert (record.id, record.photo) == (7, b"photo")
    np.testing.assert_array_equal(record.labels, np.atleast_1d(label))


@pytest.mark.parametrize("label", [3.0, [1.0, 0.0, 1.0]])
def test_a_record_is_packed_as_mxnet_packs_it(label):
    """To the byte."""
    expected = mx.recordio.pack(mx.recordio.IRHeader(0, label, 7, 0), b"photo")
    assert packed(7, np.atleast_1d(label), b"photo") == expected


@pytest.mark.parametrize("length", [0, 23, 27])
def test_a_record_shorter_than_its_header_is_damaged(length):
    """Also where the labels that it announces are not all there."""
    packed = mx.recordio.pack(mx.recordio.IRHeader(0, [1.0, 0.0], 0, 0), b"")
    with pytest.raises(ValueError, match="damaged"):
        unpack(packed[:length])
