"""How captured data is written."""

import json

import pytest

from infra.sagemaker.capture import CaptureFormat, Exchange


@pytest.mark.parametrize(
    ("mode", "members"),
    [
        ("Input", {"endpointInput"}),
        ("Output", {"endpointOutput"}),
        ("InputAndOutput", {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_what_was_asked_for_is_written(mode, members):
    """Request, answer, or both; without header lists all is base64."""
    line = CaptureFormat({"CaptureOptions": [{"CaptureMode": mode}]}).line(
        Exchange("v", "text/csv", b"1,2", "application/json", b"[1]")
    )
    data = json.loads(line)["captureData"]
    assert data.keys() == members
    assert {one["encoding"] for one in data.values()} == {"BASE64"}


@pytest.mark.parametrize(
    ("content_type", "body", "encoding", "data"),
    [
        ("text/csv; charset=utf-8", b"1,2\n", "CSV", "1,2\n"),
        ("Application/JSON", b"[1]", "JSON", "[1]"),
        ("application/json", b"\xff", "BASE64", "/w=="),
        ("image/png", b"png", "BASE64", "cG5n"),
        ("", b"?", "BASE64", "Pw=="),
    ],
)
def test_the_encoding_follows_the_content_type(content_type, body, encoding, data):
    """Parameters and case do not matter; what is no text is base64 whatever it calls itself."""
    types = {"JsonContentTypes": ["application/json"], "CsvContentTypes": ["text/csv"]}
    both = [{"CaptureMode": "InputAndOutput"}]
    config = {"CaptureOptions": both, "CaptureContentTypeHeader": types}
    line = CaptureFormat(config).line(Exchange("v", content_type, body, "", b""))
    written = json.loads(line)["captureData"]["endpointInput"]
    assert (written["encoding"], written["data"]) == (encoding, data)
    assert written["observedContentType"] == content_type
