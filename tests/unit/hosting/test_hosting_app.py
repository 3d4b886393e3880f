"""The hosting contract over HTTP: /ping, /invocations, and errors that say what to do."""

import json

import pytest
from asked_server import Server

from contracts import ENDPOINT_PAYLOAD_BYTES
from hosting.model import Model

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TOO_LARGE = bytes(ENDPOINT_PAYLOAD_BYTES + 1)


def ask(model, method="POST", path="/invocations", *, batch=False, **parts):
    """One request to a server of the model."""
    return Server(model, batch=batch).ask(method, path, **parts)


def test_ping_is_healthy(model):
    """200 with nothing in it."""
    reply = ask(model, "GET", "/ping")
    assert (reply.status_code, reply.content) == (200, b"")


def test_batch_transform_is_told_what_the_container_takes(model, red_photo):
    """Photos at once, one a request, and the body's limit; its answers are objects."""
    reply = ask(model, "GET", "/execution-parameters")
    expected = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 6}
    assert reply.json() == expected
    answer = ask(model, content=red_photo, batch=True, Content_Type="image/png").json()
    assert len(answer["prediction"]) == 3


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "application/x-image", "image/jpeg", "IMAGE/PNG; name=a.png", "image/bmp"],
)
def test_a_photo_is_answered_with_its_probabilities(model, red_photo, content_type):
    """A bare array by class, whatever image type the client calls it: the bytes tell."""
    reply = ask(model, content=red_photo, Content_Type=content_type)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == pytest.approx(model.classify(red_photo), abs=1e-6)
    assert reply.json()[0] > 0.9


def test_accept_chooses_the_form(model, red_photo):
    """Verbose JSON and JSON lines carry the same probabilities."""
    plain = ask(model, content=red_photo, Content_Type="image/png").json()
    verbose = ask(
        model, content=red_photo, Content_Type="image/png", Accept="application/json;verbose"
    ).json()
    lines = ask(model, content=red_photo, Content_Type="image/png", Accept="application/jsonlines")
    assert verbose["probabilities"] == plain
    assert verbose["labels"] == ["red", "green", "blå"]
    assert verbose["predicted_label"] == "red"
    assert 0 <= verbose["model_latency_ms"] < 10_000
    assert lines.headers["content-type"] == "application/jsonlines"
    assert json.loads(lines.text) == {"prediction": plain}


def test_describe_answers_the_model_card(model):
    """No photo, no content type: the card as it lies in the artifact."""
    reply = ask(model, **{ATTRIBUTES: "method=describe"})
    assert reply.status_code == 200
    assert reply.json() == model.card


def test_unknown_headers_and_attributes_are_ignored(model, red_photo):
    """A request that SageMaker decorates is a request like any other."""
    reply = ask(
        model,
        content=red_photo,
        Content_Type="image/png",
        X_Amzn_SageMaker_Target_Variant="AllTraffic",
        X_Whatever="1",
        **{ATTRIBUTES: "trace=7"},
    )
    assert reply.status_code == 200
    assert len(reply.json()) == 3


@pytest.mark.parametrize(
    ("headers", "content", "refusal"),
    [
        ({"Content_Type": "image/png", "Accept": "text/csv"}, None, (406, "not_acceptable")),
        ({"Content_Type": "text/csv"}, None, (415, "unsupported_media_type")),
        ({}, None, (415, "unsupported_media_type")),
        ({"Content_Type": "image/png"}, b"no photo", (400, "unreadable_photo")),
        ({"Content_Type": "image/png"}, b"", (400, "unreadable_photo")),
        ({"Content_Type": "image/png"}, TOO_LARGE, (413, "payload_too_large")),
    ],
    ids=["accept", "content-type", "no-content-type", "no-photo", "nothing", "too-large"],
)
def test_a_clients_mistake_is_named(model, red_photo, headers, content, refusal):
    """4xx, with code, message and hint as JSON, and nothing else."""
    reply = ask(model, content=red_photo if content is None else content, **headers)
    assert reply.json().keys() == {"code", "message", "hint"}
    assert (reply.status_code, reply.json()["code"]) == refusal
    assert reply.json()["message"]
    assert "Traceback" not in reply.text


def test_a_body_at_the_limit_is_read(model, red_photo):
    """InvokeEndpoint's largest body is one byte below the refusal; bytes behind a PNG are nothing."""
    content = red_photo + bytes(ENDPOINT_PAYLOAD_BYTES - len(red_photo))
    assert ask(model, content=content, Content_Type="image/png").status_code == 200


def test_a_body_is_given_up_where_it_exceeds_the_limit(model):
    """A client that sends without end is answered after the limit, not after its end."""
    sent = []

    async def endless():
        while True:
            sent.append(1_000_000)
            yield bytes(1_000_000)

    assert ask(model, content=endless(), Content_Type="image/png").status_code == 413
    assert sum(sent) <= ENDPOINT_PAYLOAD_BYTES + 1_000_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/invocations", 405), ("POST", "/ping", 405), ("GET", "/", 404)],
)
def test_other_requests_are_not_part_of_the_contract(model, method, path, status):
    """A wrong method is 405, another path 404."""
    assert ask(model, method, path).status_code == status


def test_a_bug_is_logged_and_not_shown(model, red_photo, caplog, monkeypatch):
    """500 without a traceback for the client; the log keeps it."""

    def broken(*_, **__):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Model, "answers", broken)
    reply = ask(model, content=red_photo, Content_Type="image/png")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "secret" not in reply.text
    assert "secret detail" in caplog.text
