"""What InvokeEndpointAsync refuses."""

import pytest

from infra.sagemaker.async_requests import async_request
from infra.sagemaker.errors import ValidationError


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, b"", "exactly one of Body and InputLocation"),
        ({"inputlocation": "s3://shelf/in"}, b"photo", "exactly one of Body and InputLocation"),
        ({}, bytes(128_001), "length less than or equal to 128000"),
        ({"inputlocation": "ftp://x"}, b"", "'inputLocation' failed to satisfy constraint"),
        ({"inputlocation": "https://x/y"}, b"", "expected s3://bucket/key"),
        ({"invocationtimeoutseconds": "3601"}, b"p", "less than or equal to 3600"),
        ({"requestttlseconds": "59"}, b"p", "greater than or equal to 60"),
        ({"requestttlseconds": "soon"}, b"p", "can not be converted to an Integer"),
        ({"filename": "../x"}, b"p", "'filename' failed to satisfy constraint"),
    ],
)
def test_a_request_that_breaks_the_service_model_is_refused(headers, body, words):
    """Before it is in the queue."""
    named = {f"x-amzn-sagemaker-{name}": value for name, value in headers.items()}
    config = {"OutputConfig": {"S3OutputPath": "s3://shelf/out"}}
    with pytest.raises(ValidationError) as refused:
        async_request("shelf", config, named, body)
    assert words in refused.value.message
