"""InvokeEndpoint: headers, limits, and errors in AWS's words."""

import asyncio

import pytest
from sagemaker_plane import AwsError, make_endpoint, running_plane

from contracts import ENDPOINT_PAYLOAD_BYTES

pytestmark = pytest.mark.anyio

LOG_GROUP_ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/shelf"


@pytest.fixture
async def client(tmp_path):
    """A plane with one endpoint, and its client."""
    async with running_plane(tmp_path) as one:
        await make_endpoint(one)
        yield one


async def test_headers_pass_both_ways_and_no_others(client):
    """Content type, accept, custom attributes and inference id in; type and attributes out."""
    answer = await client.invoke(
        "shelf",
        content_type="image/jpeg",
        accept="application/json",
        x_amzn_sagemaker_custom_attributes="method=describe",
        x_amzn_sagemaker_inference_id="42",
        authorization="secret",
    )
    headers = answer.json()["headers"]
    assert headers["content-type"] == "image/jpeg"
    assert headers["accept"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "method=describe"
    assert headers["x-amzn-sagemaker-inference-id"] == "42"
    assert "authorization" not in headers
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-sagemaker-custom-attributes"] == "method=describe"
    assert answer.headers["x-amzn-invoked-production-variant"] == "AllTraffic"
    assert answer.headers["x-amzn-requestid"]
    assert "x-secret" not in answer.headers


async def test_the_largest_body_passes_and_one_byte_more_does_not(client):
    """6,291,456 bytes; 413 above, whatever its size."""
    answer = await client.invoke("shelf", bytes(ENDPOINT_PAYLOAD_BYTES))
    assert answer.json()["body"] == ENDPOINT_PAYLOAD_BYTES
    for size in (ENDPOINT_PAYLOAD_BYTES + 1, 3 * ENDPOINT_PAYLOAD_BYTES):
        with pytest.raises(AwsError) as refused:
            await client.invoke("shelf", bytes(size))
        assert refused.value.status == 413
        assert refused.value.message == "HTTP content length exceeded 6291456 bytes."


async def test_an_empty_body_passes(client):
    """The container decides what it is worth."""
    assert (await client.invoke("shelf", b"")).json()["body"] == 0


@pytest.mark.parametrize(
    ("body", "status", "original", "side"),
    [(b"bad", 400, "not a photo", "client"), (b"break", 500, "out of order", "server")],
)
async def test_an_error_of_the_container_is_a_model_error(client, body, status, original, side):
    """With the container's status and words, and where its log is."""
    with pytest.raises(AwsError) as error:
        await client.invoke("shelf", body)
    assert (error.value.status, error.value.code) == (424, "ModelError")
    content = error.value.content
    assert content["OriginalStatusCode"] == status
    assert content["OriginalMessage"] == original
    assert content["LogStreamArn"] == LOG_GROUP_ARN
    assert content["Message"] == (
        f'Received {side} error ({status}) from primary with message "{original}". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        "#logEventViewer:group=/aws/sagemaker/Endpoints/shelf in account 000000000000 for more "
        "information."
    )


async def test_a_container_that_dies_is_a_model_error_and_the_next_request_is_answered(client):
    """The request is not sent to the next process, which it would kill too."""
    with pytest.raises(AwsError, match="could not get a response") as error:
        await client.invoke("shelf", b"die")
    assert error.value.code == "ModelError"
    assert error.value.content["OriginalStatusCode"] == 0
    assert (await client.invoke("shelf")).json()["model"] == "first"


async def test_a_container_that_is_still_ending_is_given_no_further_request(client):
    """Its port may outlive its connections: it would lose the next request too."""
    with pytest.raises(AwsError, match="could not get a response"):
        await client.invoke("shelf", b"end slowly")
    assert (await client.invoke("shelf")).json()["model"] == "first"


async def test_a_container_that_takes_too_long_is_a_model_error(client):
    """60 s in AWS, 2 s here; other requests are answered meanwhile."""
    slow = asyncio.create_task(client.invoke("shelf", b"slow"))
    await client.invoke("shelf")
    assert not slow.done()
    with pytest.raises(AwsError, match="invocation timed out") as error:
        await slow
    assert error.value.code == "ModelError"


async def test_an_unknown_endpoint_is_not_found(client):
    """In AWS's words."""
    with pytest.raises(AwsError) as refused:
        await client.invoke("nobody")
    assert (refused.value.status, refused.value.code) == (400, "ValidationError")
    assert refused.value.message == "Endpoint nobody of account 000000000000 not found."


async def test_a_header_that_could_not_be_honoured_is_refused(client):
    """Rather than passed over."""
    with pytest.raises(AwsError, match="TargetModel is not supported") as refused:
        await client.invoke("shelf", x_amzn_sagemaker_target_model="m.tar.gz")
    assert refused.value.code == "ValidationError"


async def test_an_endpoint_is_invoked_by_post_alone(client):
    """Anything else asks the model nothing, and is told what is expected."""
    answer = await client.http.get("/endpoints/shelf/invocations")
    assert answer.status_code == 400
    assert "POST to /endpoints/<name>/invocations" in answer.json()["message"]
