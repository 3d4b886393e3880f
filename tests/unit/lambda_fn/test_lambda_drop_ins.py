"""The requests and replies of systems whose clients go on unchanged, word for word."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from chalicelib import batch, chunks
from chalicelib.contracts import LAMBDA_PAYLOAD_BYTES
from chalicelib.endpoint import Endpoint
from chalicelib.photo_request import Photo
from lambda_events import CARD, LABELS, data_url, photo_bytes

FIVE = [0.01, 0.02, 0.03, 0.9, 0.04]
TREE = {"1000012776": ["BOOKS", "NOVELS", "CRIME"], "1000003": ["PHONES", "CASES"]}
IDS = list(TREE)


def form_of(photo: bytes) -> tuple[bytes, dict[str, str]]:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n--x--\r\n"
    )
    return body, {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        {"Content-Type": "application/json"},
        {},
    ],
)
def test_a_bare_data_url_is_answered_by_class_number(call, endpoint, headers):
    """Whatever type the client's library puts there by itself: jQuery, fetch, or none."""
    photo = photo_bytes()
    endpoint.predicts(FIVE, Body=photo, ContentType="image/jpeg")
    reply = call("POST", "/", body=data_url(photo), headers=headers)
    assert reply.status == 200
    assert reply.json == {**{str(at): p for at, p in enumerate(FIVE)}, "verdict": "mobile"}
    assert list(reply.json) == ["0", "1", "2", "3", "4", "verdict"]


def test_the_marketplaces_verdict_is_the_best_category_however_unsure(call, endpoint):
    """Its clients know five categories and no "none"."""
    endpoint.predicts([0.3, 0.25, 0.2, 0.15, 0.1])
    reply = call("POST", "/", body=data_url(photo_bytes()), headers={"Content-Type": "text/plain"})
    assert reply.json["verdict"] == "books"


@pytest.mark.parametrize("body", ['{"image": "x"}', "hello", "data:image/png,x", None, "data:"])
def test_what_is_no_data_url_is_refused_there(call, endpoint, body):
    """The message shows how the body starts."""
    reply = call("POST", "/", body=body, headers={"Content-Type": "text/plain"})
    assert (reply.status, reply.json["code"]) == (400, "bad_request")


def test_a_products_photo_is_answered_with_its_category_and_levels(call, endpoint):
    """Types and names are the contract's; the tree is the card's, asked for once a version."""
    answer = {"probabilities": [0.8567, 0.1433], "labels": IDS, "model_version": "v7"}
    endpoint.answers({**answer, "model_latency_ms": 36.04})
    endpoint.answers({**CARD, "classes": IDS, "tree": TREE}, CustomAttributes="method=describe")
    body, headers = form_of(photo_bytes())
    reply = call("POST", "/predict", body=body, headers=headers)
    assert reply.status == 200
    assert set(reply.json) == {"model_response", "response_time", "model_inference_time"}
    assert reply.json["model_response"] == {
        "category_index": "0",
        "confidence": "0.86",
        "category_id": 1000012776,
        "category_l1": "BOOKS",
        "category_l2": "NOVELS",
        "category_l3": "CRIME",
    }
    assert reply.json["model_inference_time"] == "0.0360s"
    seconds = reply.json["response_time"]
    assert seconds.endswith("s")
    assert len(seconds.partition(".")[2]) == 5
    endpoint.is_spent()


@pytest.mark.parametrize("card", [{"tree": TREE}, {}])
def test_levels_that_the_tree_lacks_are_empty(call, endpoint, card):
    """Clients find all three members, also of a model without a tree."""
    endpoint.answers({"probabilities": [0.1, 0.9], "labels": IDS, "model_version": "v7"})
    endpoint.answers({**CARD, "classes": IDS, **card}, CustomAttributes="method=describe")
    body, headers = form_of(photo_bytes())
    found = call("POST", "/predict", body=body, headers=headers).json["model_response"]
    expected = ("PHONES", "CASES", "") if card else ("", "", "")
    assert tuple(found[f"category_l{n}"] for n in (1, 2, 3)) == expected
    assert (found["category_index"], found["category_id"]) == ("1", 1000003)


def test_a_model_whose_categories_are_no_ids_is_told_apart(call, endpoint):
    """409 with the way out, in place of a made-up id."""
    endpoint.predicts([0.1, 0.9])
    endpoint.answers(CARD, CustomAttributes="method=describe")
    body, headers = form_of(photo_bytes())
    reply = call("POST", "/predict", body=body, headers=headers)
    assert (reply.status, reply.json["code"]) == (409, "no_category_ids")
    assert "car" in reply.json["message"]


def test_a_card_is_asked_for_again_when_the_version_changes():
    """A new model behind the same endpoint may have another tree."""
    asked = []

    def invoke_endpoint(**_):
        asked.append(1)
        return {"Body": io.BytesIO(json.dumps({"classes": [], "version": "v2"}).encode())}

    model = Endpoint("shelf", SimpleNamespace(invoke_endpoint=invoke_endpoint))
    for version in ("v2", "v2", "v3"):
        model.card(version)
    assert len(asked) == 2


def test_a_person_is_greeted(call):
    """`GET /` needs no model."""
    reply = call("GET", "/")
    assert reply.status == 200
    assert "POST /classify" in reply.json["message"]


class Shelf:
    """A client of SageMaker Runtime whose answer is told by the photo: its bytes' last digit."""

    def __init__(self) -> None:
        self.at_once = self.most_at_once = 0
        self.asked: list[int] = []
        self.lock = threading.Lock()

    def invoke_endpoint(self, **parameters):
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        time.sleep(0.002)
        with self.lock:
            self.at_once -= 1
        if parameters["ContentType"] == "application/jsonlines":
            answer = self.lines(parameters["Body"].splitlines())
        else:
            self.asked.append(1)
            answer = self.one(parameters["Body"])
        return {"Body": io.BytesIO(answer)}

    def lines(self, lines: list[bytes]) -> bytes:
        """As our container: what is wrong with a photo in its place, a bug over all of them."""
        self.asked.append(len(lines))
        answers = []
        for line in lines:
            try:
                found = json.loads(self.one(base64.b64decode(json.loads(line)["image"])))
            except ClientError as error:
                if error.response.get("OriginalStatusCode") != 400:
                    raise
                words = json.loads(error.response["OriginalMessage"])
                answers.append({"error": {"status": 400, **words}})
                continue
            best = max(range(len(LABELS)), key=found["probabilities"].__getitem__)
            told = {"probabilities": [0.95], "labels": [LABELS[best]], "indices": [best]}
            answers.append(told)
        return "\n".join(map(json.dumps, answers)).encode()

    def one(self, data: bytes) -> bytes:
        mark = data[-1:]
        if mark == b"!":
            refusal = {"code": "unreadable_photo", "message": "truncated", "hint": "again"}
            raise failure("ModelError", OriginalStatusCode=400, OriginalMessage=json.dumps(refusal))
        if mark == b"?":
            raise failure("ModelError", OriginalStatusCode=500, OriginalMessage="boom")
        if mark == b"*":
            raise failure("ThrottlingException")
        chances = [0.01] * len(LABELS)
        chances[int(mark)] = 0.95
        return json.dumps({"probabilities": chances, "labels": LABELS}).encode()


def failure(code, **members):
    return ClientError({"Error": {"Code": code, "Message": ""}, **members}, "InvokeEndpoint")


@pytest.fixture
def shelf(lambda_app, monkeypatch):
    client = Shelf()
    monkeypatch.setattr(lambda_app, "endpoint", lambda _: Endpoint("shelf", client))
    return client


def image(mark) -> str:
    return data_url(b"\xff\xd8\xff" + str(mark).encode()).partition(",")[2]


def post_batch(call, images, **parts):
    headers = {"Content-Type": "application/json"}
    return call(
        "POST", "/process_batch", body=json.dumps({"images": images}), headers=headers, **parts
    )


def test_a_batch_is_answered_in_its_order_several_at_once(call, shelf):
    """The reply has the one member, whole numbers, and as many as there were photos."""
    wanted = [at * 7 % 6 for at in range(40)]
    reply = post_batch(call, [image(n) for n in wanted])
    assert (reply.status, reply.json) == (200, {"predictions": wanted})
    assert 1 < shelf.most_at_once <= batch.CONCURRENCY


def test_photos_of_a_large_batch_go_many_at_a_time(call, shelf):
    """The first alone, then more and more in one request; the order is that of the batch."""
    wanted = [at * 7 % 6 for at in range(900)]
    reply = post_batch(call, [image(n) for n in wanted])
    assert (reply.status, reply.json) == (200, {"predictions": wanted})
    assert len(shelf.asked) < 200
    assert shelf.asked[0] == 1
    assert 16 <= max(shelf.asked) <= chunks.LARGEST_CHUNK
    assert sum(shelf.asked) == 900


@pytest.mark.parametrize("bad", ["!", "?"])
def test_a_bad_photo_of_a_large_batch_is_answered_in_place(call, shelf, bad):
    """Also where the container fails over all that came with it: they are asked for alone."""
    images = [image(at % 6) for at in range(300)]
    images[250] = image(bad)
    reply = post_batch(call, images, query={"bad_photos": "null"})
    expected = [at % 6 for at in range(300)]
    expected[250] = None
    assert reply.json["predictions"] == expected
    assert [error["index"] for error in reply.json["errors"]] == [250]


def test_an_empty_batch_has_no_predictions(call, shelf):
    """A folder without photos is no error."""
    assert post_batch(call, []).json == {"predictions": []}


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", "{}", '{"images": "x"}', '{"images": [1]}', '{"images": null}']
)
def test_a_malformed_batch_is_400(call, shelf, body):
    """Missing, of another type, or no JSON at all."""
    reply = call("POST", "/process_batch", body=body, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["code"]) == (400, "bad_request")
    assert "images" in reply.json["message"] + reply.json["hint"]


@pytest.mark.parametrize("bad", ["%%%", "aGVsbG8=", "", image("!")])
def test_a_bad_photo_refuses_the_batch_and_is_named(call, shelf, bad):
    """Whether it is no base64, no photo, or one that the model cannot read."""
    reply = post_batch(call, [image(1), bad, image(2)])
    assert reply.status == 400
    assert reply.json["message"].startswith("images[1]: ")
    assert "bad_photos=null" in reply.json["hint"]


@pytest.mark.parametrize("bad", ["%%%", "aGVsbG8=", "", image("!"), image("?")])
def test_a_bad_photo_is_answered_in_place_when_asked(call, shelf, bad):
    """The others keep their predictions; what is wrong stands beside its index."""
    reply = post_batch(call, [image(1), bad, image(2)], query={"bad_photos": "null"})
    assert (reply.status, reply.json["predictions"]) == (200, [1, None, 2])
    (error,) = reply.json["errors"]
    assert error["index"] == 1
    assert error["code"]
    assert error["message"]


def test_a_batch_is_told_in_detail_when_asked(call, shelf):
    """Label, confidence and verdict beside each number; null where there is none."""
    query = {"details": "true", "bad_photos": "null"}
    reply = post_batch(call, [image(2), image("!")], query=query)
    assert reply.json["predictions"] == [2, None]
    assert reply.json["details"] == [
        {"label": LABELS[2], "confidence": 0.95, "verdict": LABELS[2], "reason": None},
        None,
    ]


def test_a_detail_below_the_threshold_says_so(call, endpoint):
    """The number stays the best class's, as older clients have it; the verdict is none."""
    endpoint.predicts([0.3, 0.25, 0.2, 0.15, 0.1])
    reply = post_batch(call, [image(0)], query={"details": "true"})
    assert reply.json["predictions"] == [0]
    (detail,) = reply.json["details"]
    assert (detail["verdict"], detail["reason"]) == ("none", "below threshold")


def test_an_unknown_way_with_details_is_refused(call, shelf):
    """The message says which there are."""
    reply = post_batch(call, [], query={"details": "yes"})
    assert reply.status == 400
    assert "true or false" in reply.json["message"]


@pytest.mark.parametrize("mark", ["?", "*"])
def test_a_failure_inside_a_batch_is_500_with_a_log_line(call, shelf, caplog, mark):
    """Also where the endpoint is only busy, and where another photo is bad: its clients know 500."""
    reply = post_batch(call, ["%%%", image(1), image(mark)])
    assert (reply.status, reply.json["code"]) == (500, "batch_failed")
    assert "photo 2 of 3 failed" in caplog.text


def test_an_unknown_way_with_bad_photos_is_refused(call, shelf):
    """The message says which there are."""
    reply = post_batch(call, [], query={"bad_photos": "skip"})
    assert reply.status == 400
    assert "null or refuse" in reply.json["message"]


def test_photos_that_the_deadline_finds_unanswered_are_given_up():
    """What was answered before is kept; nothing waits for the rest."""
    gate = threading.Event()
    fast, slow, queued = (Photo(name, "image/jpeg") for name in (b"fast", b"slow", b"queued"))

    def classify(photos):
        if photos != (fast,):
            gate.wait(10)
        return photos

    try:
        outcomes = batch.classify_all(
            [fast, slow, queued], classify, batch.Deadline(time.monotonic() + 0.05), 1
        )
    finally:
        gate.set()
    assert outcomes[0] == fast
    assert [error.code for error in outcomes[1:]] == ["endpoint_timeout"] * 2


@pytest.mark.parametrize(
    ("remaining_ms", "asked_ago", "seconds"),
    [
        (None, None, 27),
        (60_000, 0, 27),
        (5000, 0, 3),
        (60_000, 4, 23),
        (60_000, -5, 27),
        (60_000, 9999, 12),
    ],
)
def test_the_deadline_leaves_time_to_answer(monkeypatch, remaining_ms, asked_ago, seconds):
    """The gateway's 29 s since it was asked or the function's own end, whichever is first."""
    monkeypatch.setattr(batch.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(batch.time, "time", lambda: 1_000_000.0)
    asked_at_ms = None if asked_ago is None else int((1_000_000 - asked_ago) * 1000)
    deadline = batch.Deadline.of(remaining_ms, asked_at_ms)
    assert deadline.seconds_left == pytest.approx(seconds)


def test_a_batch_of_more_photos_than_can_be_answered_is_refused(call, shelf):
    """Two million empty strings fit into 6 MB; what is wrong with each would not."""
    reply = post_batch(call, [""] * (batch.MAX_IMAGES + 1), query={"bad_photos": "null"})
    assert (reply.status, reply.json["code"]) == (413, "photo_too_large")


def test_the_largest_reply_fits_into_lambdas_payload(call, shelf):
    """Also where every photo of the largest batch is bad."""
    reply = post_batch(call, ["aGVsbG8gd29ybGQ="] * batch.MAX_IMAGES, query={"bad_photos": "null"})
    assert reply.status == 200
    assert len(json.dumps(reply.json)) < LAMBDA_PAYLOAD_BYTES


def test_a_function_that_holds_the_model_asks_it_one_by_one(call, lambda_app, monkeypatch):
    """Its memory is for one photo at a time."""
    client = Shelf()
    monkeypatch.setattr(lambda_app, "endpoint", lambda _: Endpoint("own", client, concurrency=1))
    assert post_batch(call, [image(n) for n in (3, 1, 2)]).json == {"predictions": [3, 1, 2]}
    assert client.most_at_once == 1
