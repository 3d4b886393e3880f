"""The answering half of hosting, without HTTP."""

import json

import pytest

from contracts import DESCRIBE, ENDPOINT_PAYLOAD_BYTES
from hosting.invocations import invoke, open_model
from hosting.model import Model


@pytest.fixture
def model(make_artifact):
    """The loaded colour network."""
    return Model.load(make_artifact(), threads=1)


def test_a_photo_is_answered_in_the_accepted_type(model, red_photo):
    """Verbose JSON names the category, as over HTTP."""
    reply = invoke(model, red_photo, content_type="image/png", accept="application/json;verbose")
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body)["predicted_label"] == "red"


def test_the_card_is_told_whatever_the_body(model):
    """CustomAttributes decide, not the content type."""
    reply = invoke(model, b"{}", content_type="application/json", attributes=DESCRIBE)
    assert json.loads(reply.body)["classes"] == ["red", "green", "blå"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"content_type": "text/csv"}, 415, "unsupported_media_type"),
        ({"body": b"{}", "content_type": "application/json"}, 400, "bad_request"),
        ({"body": b"no photo"}, 400, "unreadable_photo"),
        ({"body": bytes(ENDPOINT_PAYLOAD_BYTES + 1)}, 413, "payload_too_large"),
        ({"accept": "text/html"}, 406, "not_acceptable"),
    ],
)
def test_what_cannot_be_answered_is_a_reply(model, red_photo, asked, status, code):
    """A client's fault never leaves as an exception: callers without HTTP need no error handling."""
    reply = invoke(model, **{"body": red_photo, "content_type": "image/png", **asked})
    assert reply.status == status
    assert json.loads(reply.body)["code"] == code


def test_a_bug_is_told_in_the_log_alone(model, red_photo, monkeypatch, caplog):
    """500 without a trace; the trace stands in the log."""
    monkeypatch.setattr(Model, "answers", lambda *_, **__: 1 / 0)
    reply = invoke(model, red_photo, content_type="image/png")
    assert reply.status == 500
    assert b"division" not in reply.body
    assert "ZeroDivisionError" in caplog.text


def test_a_caller_needs_plain_values_alone(make_artifact, red_photo):
    """`open_model` is found by its name; what goes in and comes out are strings, bytes, numbers."""
    ask = open_model(str(make_artifact()), 1)
    status, content_type, body = ask(red_photo, "image/png", "", "")
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == pytest.approx([1, 0, 0], abs=0.1)
