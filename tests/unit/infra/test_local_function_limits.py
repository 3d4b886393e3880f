"""Lambda's limits on a function's configuration and bundle."""

import base64
import json

import pytest

from infra.local.adapter import function_limits
from infra.local.adapter.function_limits import bundle_error, configuration_error


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"Timeout": 1, "MemorySize": 128},
        {"Timeout": 900, "MemorySize": 10_240},
        {"Environment": {"Variables": {"A": "x" * (4096 - len('{"A":""}'))}}},
    ],
)
def test_what_lambda_takes_is_taken(data):
    """The limits themselves are within."""
    assert configuration_error(data) is None


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"Timeout": 901}, "ValidationException", "Value '901' at 'timeout'"),
        ({"Timeout": 0}, "ValidationException", "greater than or equal to 1"),
        ({"MemorySize": 127}, "ValidationException", "Value '127' at 'memorySize'"),
        ({"MemorySize": 10_241}, "ValidationException", "less than or equal to 10240"),
        (
            {"Environment": {"Variables": {"A": "é" * 2045}}},
            "InvalidParameterValueException",
            "exceeded the 4KB limit. String measured: ",
        ),
    ],
)
def test_one_more_is_refused_in_the_words_of_lambda(data, code, words):
    """Bytes are counted, not characters."""
    status, _, body = configuration_error(data)
    answer = json.loads(body)
    assert (status, answer["__type"]) == (400, code)
    assert words in answer["message"]


@pytest.mark.parametrize("form", [bytes, lambda content: base64.b64encode(content).decode()])
@pytest.mark.parametrize("limit", [300, 301, 302])
def test_a_bundle_in_a_request_has_a_limit(monkeypatch, form, limit):
    """Whether it comes as bytes or as a request carries them; one in S3 comes as neither."""
    monkeypatch.setattr(function_limits, "ZIP_BYTES", limit)
    assert bundle_error(None, "CreateFunction") is None
    assert bundle_error(form(bytes(limit)), "CreateFunction") is None
    status, _, body = bundle_error(form(bytes(limit + 1)), "CreateFunction")
    assert status == 413
    assert "70167211 bytes for the CreateFunction operation" in json.loads(body)["message"]
