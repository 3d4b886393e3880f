"""Many photos in one request, in each form that a body can have, and answers in their order."""

import base64
import json

import pytest

from hosting.batch import MAX_BATCH
from hosting.invocations import invoke
from hosting.model import BrokenModelError, Model

LINES, JSON = "application/jsonlines", "application/json"
BAD = b"no photo"


def b64(data):
    return base64.b64encode(data).decode()


def as_json(photos):
    return json.dumps({"images": [b64(each) for each in photos]}).encode()


def as_lines(photos):
    return b"\n".join(json.dumps({"image": b64(each)}).encode() for each in photos)


def best_of(probabilities):
    return probabilities.index(max(probabilities))


def lines_of(reply):
    return [json.loads(line) for line in reply.text.splitlines()]


@pytest.mark.parametrize(
    "encode", [lambda p: p.decode(), lambda p: f"data:image/png;base64,{p.decode()}"]
)
def test_a_photo_in_json_is_answered_as_its_bytes_are(server, red_photo, encode):
    """To the byte, in every type that can be asked for."""
    body = json.dumps({"image": encode(base64.b64encode(red_photo))}).encode()
    for accept in ("", JSON, LINES):
        plain = server.ask(content=red_photo, Content_Type="image/png", Accept=accept)
        packed = server.ask(content=body, Content_Type=JSON, Accept=accept)
        assert (packed.status_code, packed.content) == (200, plain.content)
        assert packed.headers["content-type"] == plain.headers["content-type"]


def test_a_list_is_answered_by_a_list(server, colours):
    """`predictions` in the order of the photos, and no `errors` where there are none."""
    reply = server.ask(content=as_json(colours), Content_Type=JSON).json()
    assert list(reply) == ["predictions"]
    assert [best_of(each) for each in reply["predictions"]] == [0, 1, 2]


def test_lines_are_answered_by_lines(server, colours):
    """Whoever accepts anything gets what batch transform joins with its input."""
    reply = server.ask(content=as_lines(colours), Content_Type=LINES)
    assert reply.headers["content-type"] == LINES
    assert [best_of(each["prediction"]) for each in lines_of(reply)] == [0, 1, 2]


def test_the_accept_header_decides_whatever_the_body(server, colours):
    """A list in lines, and lines in a list."""
    lines = server.ask(content=as_json(colours), Content_Type=JSON, Accept=LINES)
    listed = server.ask(content=as_lines(colours), Content_Type=LINES, Accept=JSON)
    assert [line["prediction"] for line in lines_of(lines)] == listed.json()["predictions"]


def test_files_of_a_form_are_answered_in_their_order(server, colours):
    """And one `file` as a photo alone."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{at}.png"\r\n\r\n'.encode()
        + each
        + b"\r\n"
        for at, each in enumerate(colours)
    ]
    kind = "multipart/form-data; boundary=x"
    many = server.ask(content=b"".join(parts) + b"--x--", Content_Type=kind)
    one = server.ask(content=parts[1] + b"--x--", Content_Type=kind)
    assert [best_of(each) for each in many.json()["predictions"]] == [0, 1, 2]
    assert best_of(one.json()) == 1


def test_a_bad_photo_is_answered_in_its_place(server, colours):
    """Both that which is no base64 and that which is no photo; the others keep their answers."""
    photos = [colours[0], BAD, colours[2]]
    listed = server.ask(content=as_json(photos), Content_Type=JSON).json()
    assert [each and best_of(each) for each in listed["predictions"]] == [0, None, 2]
    (error,) = listed["errors"]
    assert (error["index"], error["status"], error["code"]) == (1, 400, "unreadable_photo")
    body = as_lines(photos) + b'\n"%%%"\n'
    lines = lines_of(server.ask(content=body, Content_Type=LINES))
    assert [list(each) for each in lines] == [["prediction"], ["error"], ["prediction"], ["error"]]
    assert lines[1]["error"]["code"] == "unreadable_photo"
    assert lines[3]["error"].keys() == {"status", "code", "message", "hint"}


def test_no_photos_are_no_answers(server):
    """An empty list, and a body without a line."""
    assert server.ask(content=b'{"images": []}', Content_Type=JSON).json() == {"predictions": []}
    assert server.ask(content=b"\n", Content_Type=LINES).content == b""


@pytest.mark.parametrize("accept", ["application/json;verbose", "application/jsonlines;verbose"])
def test_verbose_answers_name_the_classes(server, colours, accept):
    """Of each photo what one photo is told."""
    reply = server.ask(content=as_json([*colours, BAD]), Content_Type=JSON, Accept=accept)
    found = lines_of(reply) if "lines" in accept else reply.json()["predictions"]
    assert [each["predicted_label"] for each in found[:3]] == ["red", "green", "blå"]
    alone = server.ask(content=colours[1], Content_Type="image/png", Accept=accept)
    assert found[1].keys() == json.loads(alone.text).keys()


def test_top_k_tells_the_best_alone(server, colours):
    """Best first, with their numbers, so that thousands of classes need not be sent."""
    accept = "application/json;verbose;top_k=2"
    reply = server.ask(content=colours[1], Content_Type="image/png", Accept=accept).json()
    whole = server.ask(content=colours[1], Content_Type="image/png").json()
    assert reply["indices"][0] == 1
    assert reply["probabilities"] == [whole[at] for at in reply["indices"]]
    assert reply["labels"] == [["red", "green", "blå"][at] for at in reply["indices"]]
    assert len(reply["labels"]) == 2


@pytest.mark.parametrize("top_k", ["0", "-1", "x", "", "1.5", "²"])
def test_a_top_k_that_is_none_is_refused(server, red_photo, top_k):
    """406, naming it."""
    accept = f"application/json;verbose;top_k={top_k}"
    reply = server.ask(content=red_photo, Content_Type="image/png", Accept=accept.encode())
    assert (reply.status_code, reply.json()["code"]) == (406, "not_acceptable")


def test_more_photos_than_a_run_takes_are_answered_in_order(server, colours):
    """Several runs, decoded by several threads."""
    wanted = [at * 7 % 3 for at in range(3 * MAX_BATCH + 5)]
    body = as_lines([colours[at] for at in wanted])
    lines = lines_of(server.ask(content=body, Content_Type=LINES))
    assert [best_of(each["prediction"]) for each in lines] == wanted


def test_many_photos_are_answered_without_http_too(model, colours):
    """A function that holds the model answers the same lines."""
    photos = [*colours * MAX_BATCH, BAD]
    reply = invoke(model, as_lines(photos), content_type=LINES)
    assert (reply.status, reply.content_type) == (200, LINES)
    *answers, last = (json.loads(line) for line in reply.body.splitlines())
    assert [best_of(each["prediction"]) for each in answers] == [0, 1, 2] * MAX_BATCH
    assert last["error"]["code"] == "unreadable_photo"


def test_a_photo_that_the_network_fails_over_is_answered_in_its_place(
    server, colours, monkeypatch, caplog
):
    """Those that were run together with it are asked again, alone; the operator is told."""
    asked = Model.answers

    def breaks_over_green(model, arrays, **options):
        found = asked(model, arrays, **options)
        if any(best_of(answer.probabilities) == 1 for answer in found):
            raise BrokenModelError("nan")
        return found

    monkeypatch.setattr(Model, "answers", breaks_over_green)
    reply = server.ask(content=as_json(colours), Content_Type=JSON).json()
    assert [each and best_of(each) for each in reply["predictions"]] == [0, None, 2]
    assert (reply["errors"][0]["status"], reply["errors"][0]["code"]) == (500, "broken_model")
    assert "nan" in caplog.text


def test_a_bug_over_one_of_many_photos_is_a_bug(server, colours, monkeypatch, caplog):
    """500, and the log keeps the traceback: it is nothing that a client could mend."""
    monkeypatch.setattr(Model, "answers", lambda *_, **__: 1 / 0)
    reply = server.ask(content=as_json(colours), Content_Type=JSON)
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "ZeroDivisionError" in caplog.text
