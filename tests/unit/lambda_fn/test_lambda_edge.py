"""Every reply has the API's one shape, CORS headers, an id and a log line, whoever made it."""

from __future__ import annotations

import json
import logging

import pytest
from chalice.app import Request, Response
from chalicelib import edge, logs
from lambda_events import CARD, Reply, data_url, gateway_event, photo_bytes

JSON_HEADERS = {"Content-Type": "application/json"}


def assert_is_error(reply, status, code):
    assert (reply.status, reply.json["code"]) == (status, code)
    assert set(reply.json) == {"code", "message", "hint", "request_id"}
    assert reply.json["message"]
    assert reply.json["hint"]
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Content-Type"] == "application/json"


def test_a_method_that_the_route_lacks_is_405_in_our_shape(call, endpoint):
    """Chalice's own 405 has neither CORS headers nor the API's shape; here it has both."""
    reply = call("DELETE", "/classify")
    assert_is_error(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == "POST"


def test_a_content_type_that_the_route_lacks_is_415_in_our_shape(call, endpoint):
    """Curl's default for a body is refused with the types that are taken."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = call("POST", "/classify", body="x=y", headers=headers)
    assert_is_error(reply, 415, "unsupported_media_type")
    assert "image/jpeg" in reply.json["hint"]


def test_a_bug_is_500_without_a_traceback(call, lambda_app, monkeypatch, caplog):
    """The client learns the request id; the traceback stands in the log."""
    monkeypatch.setattr(lambda_app, "endpoint", lambda _: 1 // 0)
    reply = call("GET", "/categories")
    assert_is_error(reply, 500, "internal")
    assert "ZeroDivisionError" not in json.dumps(reply.json)
    assert "ZeroDivisionError" in caplog.text


def test_a_path_that_no_route_has_is_404(call):
    """Chalice would call it an unsupported method."""
    assert_is_error(call("GET", "/nowhere"), 404, "not_found")


def test_an_exception_before_any_view_is_500_in_our_shape(caplog):
    """What Chalice itself raises is logged and answered all the same."""

    def get_response(_):
        raise KeyError("pathParameters")

    request = Request(gateway_event("GET", "/health"))
    response = edge.middleware(edge.cors("*"))(request, get_response)
    assert_is_error(Reply(response.to_dict()), 500, "internal")
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_is_400(call, endpoint, body):
    """The hint says what to send."""
    reply = call("POST", "/classify", body=body, headers=JSON_HEADERS)
    assert_is_error(reply, 400, "bad_request")
    assert '"image"' in reply.json["hint"]


def test_a_busy_endpoint_says_when_to_come_back(call, endpoint):
    """429 carries Retry-After, which CORS lets the page read."""
    endpoint.fails("ThrottlingException", "Rate exceeded")
    body = json.dumps({"image": data_url(photo_bytes())})
    reply = call("POST", "/classify", body=body, headers=JSON_HEADERS)
    assert_is_error(reply, 429, "endpoint_busy")
    assert int(reply.headers["Retry-After"]) > 0
    assert "Retry-After" in reply.headers["Access-Control-Expose-Headers"]


def test_every_request_leaves_one_log_line_without_the_photo(call, endpoint, caplog):
    """The line tells status, size, verdict and time, never what was in the photo."""
    endpoint.predicts([0.1, 0.9])
    photo = data_url(photo_bytes())
    with caplog.at_level(logging.INFO, "chalicelib"):
        call("POST", "/classify", body=json.dumps({"image": photo}), headers=JSON_HEADERS)

    (record,) = [record for record in caplog.records if record.message == "answered"]
    line = logs.JsonFormatter().format(record)
    fields = json.loads(line)
    assert (fields["status"], fields["verdict"], fields["path"]) == (200, "car", "/classify")
    assert fields["bytes"] > len(photo)
    assert photo[-40:] not in line


def test_a_log_line_is_one_json_object_with_the_request_id():
    """A traceback keeps to its line, so that one record is one event in CloudWatch."""
    token = logs.request_id.set("abc")
    try:
        record = logging.makeLogRecord({"msg": "went %s", "args": ("wrong",), "levelname": "ERROR"})
        record.exc_info = (ValueError, ValueError("two\nlines"), None)
        line = logs.JsonFormatter().format(record)
    finally:
        logs.request_id.reset(token)
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["request_id"], fields["message"]) == ("abc", "went wrong")
    assert "two\nlines" in fields["exception"]


def test_the_request_id_is_forgotten_after_the_request(call, endpoint):
    """A warm Lambda must not log one request under another's id."""
    endpoint.answers(CARD, CustomAttributes="method=describe")
    assert call("GET", "/health").status == 200
    assert logs.request_id.get() == ""


def test_an_allowed_origin_is_the_only_one_in_the_headers():
    """A page's own origin can be set in place of `*`."""
    headers = edge.cors("https://shelf.example").get_access_control_headers()
    assert headers["Access-Control-Allow-Origin"] == "https://shelf.example"


def test_a_reply_that_is_no_error_is_left_as_it_is():
    """Only Chalice's own error shape is reworded."""
    response = Response(body={"code": "x"}, status_code=400)
    assert edge._in_our_words(response) is response


def test_a_request_without_an_id_is_given_one(lambda_app, endpoint):
    """`chalice local` knows no request ids; a reply has one all the same."""
    endpoint.predicts([0.1, 0.9])
    event = gateway_event(
        "POST", "/classify", body=photo_bytes(), headers={"Content-Type": "image/jpeg"}
    )
    del event["requestContext"]["requestId"]
    reply = Reply(lambda_app.app(event, None))
    assert len(reply.json["request_id"]) == 36
    assert reply.json["request_id"] == reply.headers["X-Request-Id"]
