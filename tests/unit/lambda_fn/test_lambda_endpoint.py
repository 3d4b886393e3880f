"""InvokeEndpoint's answers and errors, told apart for the client."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from chalicelib.contracts import SnapshelfError
from chalicelib.endpoint import CLIENT_SETTINGS, LONGEST_WAITS, Endpoint
from chalicelib.photo_request import Photo
from lambda_events import photo_bytes

PHOTO = Photo(photo_bytes(), "image/jpeg")
GATEWAY_SECONDS = 29


def failure(lambda_app) -> SnapshelfError:
    with pytest.raises(SnapshelfError) as caught:
        lambda_app.endpoint().classify(PHOTO)
    return caught.value


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_photo_that_the_container_refuses_is_the_clients_fault(lambda_app, endpoint, status):
    """Status, code, message and hint are the container's own."""
    words = {"code": "unreadable_photo", "message": "truncated JPEG", "hint": "send it again"}
    endpoint.fails(
        "ModelError", http=424, OriginalStatusCode=status, OriginalMessage=json.dumps(words)
    )
    error = failure(lambda_app)
    assert (error.status, error.code) == (status, "unreadable_photo")
    assert (error.message, error.hint) == ("truncated JPEG", "send it again")


@pytest.mark.parametrize("message", ["plain words", "[1]", "{}", ""])
def test_a_refusal_in_other_words_is_still_the_clients_fault(lambda_app, endpoint, message):
    """A foreign container's 400 need not be our JSON."""
    endpoint.fails("ModelError", http=424, OriginalStatusCode=400, OriginalMessage=message)
    error = failure(lambda_app)
    assert (error.status, error.code) == (400, "unreadable_photo")
    assert error.message


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            ("ModelError", "", {"OriginalStatusCode": 500, "OriginalMessage": "boom"}),
            (502, "endpoint"),
        ),
        (
            ("ModelError", "", {"OriginalStatusCode": 404, "OriginalMessage": "{}"}),
            (502, "endpoint"),
        ),
        (("ModelError", "", {}), (502, "endpoint")),
        (("ModelError", "", {"OriginalStatusCode": 429}), (429, "endpoint_busy")),
        (("ModelError", "", {"OriginalStatusCode": 503}), (503, "endpoint_unavailable")),
        (("ThrottlingException", "", {}), (429, "endpoint_busy")),
        (("ModelNotReadyException", "", {}), (503, "endpoint_unavailable")),
        (("ServiceUnavailable", "", {}), (503, "endpoint_unavailable")),
        (("InternalFailure", "", {}), (502, "endpoint")),
        (("AccessDeniedException", "", {}), (502, "endpoint")),
        (
            ("ValidationError", "Endpoint shelf of account 1 not found.", {}),
            (503, "endpoint_unavailable"),
        ),
        (("ValidationError", "1 validation error detected", {}), (502, "endpoint")),
    ],
)
def test_other_faults_are_not_the_clients(lambda_app, endpoint, fault, expected):
    """Each error of InvokeEndpoint has its status at the API."""
    code, message, members = fault
    endpoint.fails(code, message, **members)
    error = failure(lambda_app)
    assert (error.status, error.code) == expected
    assert error.hint


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>",
        b"\xff\xfe",
        [0.1, 0.9],
        {"probabilities": [0.5, 0.5]},
        {"probabilities": [0.5, 0.5], "labels": ["a"]},
        {"probabilities": [], "labels": []},
        {"probabilities": ["x"], "labels": ["a"]},
        {"probabilities": None, "labels": ["a"]},
        {"probabilities": [1.0], "labels": ["a"], "threshold": "high"},
    ],
)
def test_a_reply_that_is_not_the_agreed_json_is_502(lambda_app, endpoint, reply):
    """A container of another version is told from a bug here."""
    endpoint.answers(reply)
    error = failure(lambda_app)
    assert (error.status, error.code) == (502, "endpoint")


def test_a_describe_without_classes_is_502(lambda_app, endpoint):
    """A container that knows no model card answers something else."""
    endpoint.answers({"error": "unknown method"}, CustomAttributes="method=describe")
    with pytest.raises(SnapshelfError) as caught:
        lambda_app.endpoint().describe()
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (ReadTimeoutError(endpoint_url="http://e"), 504, "endpoint_timeout"),
        (ConnectTimeoutError(endpoint_url="http://e"), 503, "endpoint_unavailable"),
        (EndpointConnectionError(endpoint_url="http://e"), 503, "endpoint_unavailable"),
    ],
)
@pytest.mark.parametrize("where", ["call", "body"])
def test_no_answer_is_unavailable_or_too_slow(raised, status, code, where):
    """Also an answer that breaks off in the middle."""

    def raise_it(**_):
        raise raised

    body = SimpleNamespace(read=raise_it)
    client = SimpleNamespace(
        invoke_endpoint=raise_it if where == "call" else lambda **_: {"Body": body}
    )
    with pytest.raises(SnapshelfError) as caught:
        Endpoint("shelf", client).classify(PHOTO)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_every_attempt_ends_before_the_gateway_gives_up():
    """Past 29 s API Gateway answers 504 in its own words."""
    attempts = CLIENT_SETTINGS["retries"]["total_max_attempts"]
    longest = attempts * (CLIENT_SETTINGS["connect_timeout"] + CLIENT_SETTINGS["read_timeout"])
    assert attempts > 1
    assert longest + LONGEST_WAITS < GATEWAY_SECONDS


class ModelErrorServer(BaseHTTPRequestHandler):
    """Answers as SageMaker's runtime does when the container refused a photo."""

    def do_POST(self):
        """424 with ModelError's members."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(
            {
                "Message": "Received client error (400) from primary",
                "OriginalStatusCode": 400,
                "OriginalMessage": json.dumps({"code": "unreadable_photo", "message": "grey soup"}),
            }
        ).encode()
        self.send_response(424)
        self.send_header("x-amzn-ErrorType", "ModelError")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


def test_a_model_error_on_the_wire_reaches_the_client_in_the_containers_words():
    """Botocore's own parser finds OriginalStatusCode and OriginalMessage in the body."""
    with HTTPServer(("127.0.0.1", 0), ModelErrorServer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = boto3.client(
            "sagemaker-runtime",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(proxies={}),
        )
        with pytest.raises(SnapshelfError) as caught:
            Endpoint("shelf", client).classify(PHOTO)
        client.close()
        server.shutdown()
        thread.join()
    assert (caught.value.status, caught.value.message) == (400, "grey soup")


def test_a_photo_is_sent_as_it_came():
    """Nothing between the request and the endpoint touches the bytes."""
    seen = {}

    def invoke_endpoint(**parameters):
        seen.update(parameters)
        return {"Body": io.BytesIO(b'{"probabilities": [1], "labels": ["a"]}')}

    prediction = Endpoint("shelf", SimpleNamespace(invoke_endpoint=invoke_endpoint)).classify(PHOTO)
    assert seen["Body"] == PHOTO.data
    assert (prediction.labels, prediction.probabilities) == (("a",), (1.0,))
    assert (prediction.threshold, prediction.model_ms) == (0.5, None)


def line_of(index, **more):
    return {"probabilities": [0.9], "labels": ["b"], "indices": [index], **more}


def test_many_photos_are_one_request_of_lines(endpoint, lambda_app):
    """Base64 there; back come best class, number, verdict and version of each."""
    answers = [line_of(1, model_version="v7", verdict="none", reason="unfamiliar"), line_of(0)]
    endpoint.answers(
        b"\n".join(json.dumps(each).encode() for each in answers) + b"\n",
        Body=b"\n".join(
            b'{"image":"%b"}' % base64.b64encode(photo) for photo in (PHOTO.data, b"other")
        ),
        ContentType="application/jsonlines",
        Accept="application/jsonlines;verbose;top_k=1",
    )
    found = lambda_app.endpoint().classify_many([PHOTO, Photo(b"other", "image/png")])
    assert [(each.best_index, each.best, each.best_probability) for each in found] == [
        (1, "b", 0.9),
        (0, "b", 0.9),
    ]
    assert (found[0].model_version, found[0].verdict, found[0].reason) == (
        "v7",
        "none",
        "unfamiliar",
    )
    endpoint.is_spent()


def test_one_photo_of_many_goes_as_a_photo_alone(endpoint, lambda_app):
    """With its own bytes and type: any container that answers a photo serves."""
    endpoint.predicts([0.1, 0.9], Body=PHOTO.data, ContentType="image/jpeg")
    (found,) = lambda_app.endpoint().classify_many([PHOTO])
    assert found.best_index == 1


def test_what_is_wrong_with_one_of_many_stands_in_its_place(endpoint, lambda_app):
    """The client's fault in the container's words; what is not, as where one photo was asked."""
    words = {"code": "unreadable_photo", "message": "truncated", "hint": "again"}
    lines = [
        {"error": {"status": 400, **words}},
        line_of(2),
        {"error": {"status": 500, "code": "broken_model", "message": "nan", "hint": ""}},
        {"error": None},
    ]
    endpoint.answers(b"\n".join(json.dumps(each).encode() for each in lines))
    refused, good, broken, odd = lambda_app.endpoint().classify_many([PHOTO] * 4)
    assert (refused.status, refused.code, refused.message) == (400, "unreadable_photo", "truncated")
    assert good.best_index == 2
    assert (broken.status, broken.code) == (odd.status, odd.code) == (502, "endpoint")


@pytest.mark.parametrize("status", [400, 415])
def test_a_container_that_takes_no_lines_is_asked_photo_by_photo(endpoint, lambda_app, status):
    """And not for lines again."""
    endpoint.fails("ModelError", http=424, OriginalStatusCode=status, OriginalMessage="only photos")
    for _ in range(4):
        endpoint.predicts([0.1, 0.9], ContentType="image/jpeg")
    shelf = lambda_app.endpoint()
    again = [*shelf.classify_many([PHOTO] * 2), *shelf.classify_many([PHOTO] * 2)]
    assert [each.best_index for each in again] == [1] * 4
    endpoint.is_spent()


@pytest.mark.parametrize(
    "answer", [b"no json", b'{"probabilities": [1], "labels": ["a"]}', b"[]\n[]", b"{}\n{}"]
)
def test_lines_that_are_not_as_agreed_lead_to_single_photos(endpoint, lambda_app, answer):
    """A container of someone else's may answer anything; its answer to one photo is known."""
    endpoint.answers(answer)
    endpoint.predicts([0.1, 0.9])
    endpoint.predicts([0.9, 0.1])
    found = lambda_app.endpoint().classify_many([PHOTO] * 2)
    assert [each.best_index for each in found] == [1, 0]
    endpoint.is_spent()


@pytest.mark.parametrize(
    ("fault", "code"),
    [("ThrottlingException", "endpoint_busy"), ("ModelNotReadyException", "endpoint_unavailable")],
)
def test_an_endpoint_that_is_busy_is_not_asked_for_each_photo(endpoint, lambda_app, fault, code):
    """It would be busier still."""
    endpoint.fails(fault)
    found = lambda_app.endpoint().classify_many([PHOTO] * 3)
    assert [each.code for each in found] == [code] * 3
    endpoint.is_spent()
