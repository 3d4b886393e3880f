"""Asynchronous inference: accepted at once, answered in S3, told to topics."""

import asyncio
import base64
import re

import pytest
from sagemaker_memory import MemoryObjects
from sagemaker_plane import AwsError, make_config, make_endpoint, make_model, running_plane

from infra.sagemaker import async_requests, async_work

pytestmark = pytest.mark.anyio

UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"
GOOD, BAD = "arn:aws:sns:us-east-1:000000000000:good", "arn:aws:sns:us-east-1:000000000000:bad"
TOPICS = {"SuccessTopic": GOOD, "ErrorTopic": BAD}


def asynchronous(concurrency=None, **output):
    """The part of an endpoint configuration that makes it asynchronous."""
    paths = {"S3OutputPath": "s3://shelf/out/", "S3FailurePath": "s3://shelf/failed"}
    config = {"OutputConfig": {**paths, **output}}
    if concurrency:
        config["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": concurrency}
    return {"AsyncInferenceConfig": config}


@pytest.fixture
async def client(tmp_path):
    """A plane with an asynchronous endpoint, and its client."""
    async with running_plane(tmp_path) as one:
        await make_endpoint(one, config=asynchronous(1, NotificationConfig=TOPICS))
        yield one


async def submit(client, payload=None, endpoint="shelf", body=b"", **headers):
    """InvokeEndpointAsync's answer; a payload is stored in S3 first."""
    if payload is not None:
        uri = f"s3://shelf/in/{len(client.objects.content)}"
        client.objects.content[uri] = payload
        headers["inputlocation"] = uri
    named = {f"x-amzn-sagemaker-{name.replace('_', '-')}": one for name, one in headers.items()}
    path = f"/endpoints/{endpoint}/async-invocations"
    answer = await client.http.post(path, content=body, headers=named)
    if answer.status_code != 202:
        code = answer.headers["x-amzn-errortype"]
        raise AwsError(answer.status_code, code, answer.json())
    return answer


async def stored(client, uri, seconds=15):
    """Wait for an object; its bytes."""

    async def there():
        return uri in client.objects.content

    await client.until(there, seconds=seconds)
    return client.objects.content[uri]


async def told(client, topic, count=1):
    """Wait for a topic's messages."""

    async def there():
        messages = client.topics.messages.get(topic, [])
        return messages if len(messages) >= count else None

    return await client.until(there)


async def test_a_request_is_accepted_and_its_answer_is_found_in_s3(client):
    """202 with where the answer will be; the container sees type, accept, attributes and id."""
    answer = await submit(
        client,
        b"photo",
        content_type="image/jpeg",
        accept="application/json",
        custom_attributes="trace=1",
        inference_id="mine",
    )
    assert answer.json() == {"InferenceId": "mine"}
    output = answer.headers["x-amzn-sagemaker-outputlocation"]
    failure = answer.headers["x-amzn-sagemaker-failurelocation"]
    assert re.fullmatch(rf"s3://shelf/out/{UUID}\.out", output)
    assert re.fullmatch(rf"s3://shelf/failed/{UUID}-error\.out", failure)
    content = await stored(client, output)
    assert b'"body": 5' in content
    for text in (b'"image/jpeg"', b'"application/json"', b'"trace=1"', b'"mine"'):
        assert text in content
    (message,) = await told(client, GOOD)
    assert message.pop("eventTime") >= message.pop("receivedTime")
    assert message == {
        "awsRegion": "us-east-1",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "application/json",
            "contentType": "image/jpeg",
            "customAttributes": "trace=1",
            "endpointName": "shelf",
            "inputLocation": "s3://shelf/in/1",
        },
        "responseParameters": {"contentType": "application/json", "outputLocation": output},
        "inferenceId": "mine",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    assert client.plane._context.store.all("async-request") == []


async def test_a_payload_may_come_with_the_request(client):
    """And the answer's name may be chosen."""
    answer = await submit(
        client, body=b"photo", s3outputpathextension="cars/", filename="first.out"
    )
    assert answer.headers["x-amzn-sagemaker-outputlocation"] == "s3://shelf/out/cars/first.out"
    assert re.fullmatch(UUID, answer.json()["InferenceId"])
    assert b'"body": 5' in await stored(client, "s3://shelf/out/cars/first.out")


@pytest.mark.parametrize(
    ("payload", "content", "reason"),
    [
        (
            b"bad",
            b"not a photo",
            "ClientError: Received client error (400) from model. See the SageMaker Endpoint logs",
        ),
        (
            b"die",
            b"could not get a response",
            "could not get a response from the shelf endpoint",
        ),
    ],
)
async def test_a_failure_is_stored_and_told_with_its_reason(client, payload, content, reason):
    """What the container answered, or that it did not; the next request is answered."""
    answer = await submit(client, payload)
    assert content in await stored(client, answer.headers["x-amzn-sagemaker-failurelocation"])
    (message,) = await told(client, BAD)
    assert message["invocationStatus"] == "Failed"
    assert reason in message["failureReason"]
    assert answer.headers["x-amzn-sagemaker-outputlocation"] not in client.objects.content
    answer = await submit(client, b"photo")
    await stored(client, answer.headers["x-amzn-sagemaker-outputlocation"])


async def test_a_payload_that_is_not_there_is_a_failure_with_its_name(client):
    """Found out when it is its turn."""
    await submit(client, inputlocation="s3://shelf/in/none")
    (message,) = await told(client, BAD)
    assert message["failureReason"] == "s3://shelf/in/none: NoSuchKey"
    assert "responseParameters" not in message


async def test_a_payload_over_the_limit_is_a_failure(client, monkeypatch):
    """1 GiB, a few bytes here."""
    monkeypatch.setattr(async_work, "MAX_PAYLOAD_BYTES", 3)
    await submit(client, b"photo")
    (message,) = await told(client, BAD)
    assert "expected at most 3 bytes" in message["failureReason"]


async def test_an_answer_that_takes_longer_than_it_may_is_a_failure(client):
    """InvocationTimeoutSeconds."""
    await submit(client, b"slow", invocationtimeoutseconds="1")
    (message,) = await told(client, BAD)
    assert "invocation timed out" in message["failureReason"]


async def test_an_instance_has_as_many_requests_at_a_time_as_it_may(tmp_path):
    """The others wait, and come in the order of their arrival."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client, config=asynchronous(2))
        for number in range(5):
            await submit(client, b"wait", filename=f"{number}.out")
        backlog = client.plane._asynchronous.backlog("shelf")
        assert backlog == 5
        (variant,) = client.plane._live.get("shelf").variants.values()
        most = 0
        while client.plane._asynchronous.backlog("shelf"):
            most = max(most, sum(one.in_flight for one in variant._instances))
            await asyncio.sleep(0.01)
        assert most == 2
        written = [uri for uri in client.objects.content if "/out/" in uri]
        assert len(written) == 5
        assert written[-1] == "s3://shelf/out/4.out"


async def test_waiting_requests_survive_a_restart(tmp_path):
    """Those under way too: they are asked once more; none is lost or answered twice."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await make_endpoint(client, config=asynchronous(1))
        for number in range(3):
            await submit(client, b"wait", filename=f"{number}.out")
        await asyncio.sleep(0.2)
    assert not [uri for uri in objects.content if "/out/" in uri]
    async with running_plane(tmp_path, objects=objects) as client:
        for number in range(3):
            await stored(client, f"s3://shelf/out/{number}.out")


async def test_an_endpoint_scaled_to_zero_keeps_its_requests(client):
    """They are answered when there is an instance again."""
    change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 0}
    request = {"EndpointName": "shelf", "DesiredWeightsAndCapacities": [change]}
    await client.call("UpdateEndpointWeightsAndCapacities", **request)
    (variant,) = (await client.endpoint("shelf"))["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 0)
    answer = await submit(client, b"photo")
    await asyncio.sleep(0.3)
    assert client.plane._asynchronous.backlog("shelf") == 1
    change["DesiredInstanceCount"] = 1
    await client.call("UpdateEndpointWeightsAndCapacities", **request)
    await stored(client, answer.headers["x-amzn-sagemaker-outputlocation"])


async def test_a_request_that_waits_too_long_expires(client, monkeypatch):
    """RequestTTLSeconds, shortened here below what may be asked for."""
    monkeypatch.setattr(async_requests, "DEFAULT_TTL", 0.3)
    slow = await submit(client, b"wait")
    await submit(client, b"photo")
    (message,) = await told(client, BAD)
    assert message["failureReason"] == "Request expired after 0.3 seconds in the queue."
    await stored(client, slow.headers["x-amzn-sagemaker-outputlocation"])


async def test_an_answer_waits_for_an_s3_that_is_away(tmp_path):
    """As a cloud that is being restarted beside the plane; a bucket that is missing is a failure."""

    class Away(MemoryObjects):
        def upload(self, path, location):
            if not self.up:
                raise async_work.StorageError(f"{location}: could not connect")
            super().upload(path, location)

    async with running_plane(tmp_path, objects=Away()) as client:
        topics = {"NotificationConfig": TOPICS}
        await make_endpoint(client, config=asynchronous(**topics))
        client.objects.up = False
        answer = await submit(client, b"photo")
        await asyncio.sleep(0.3)
        assert client.topics.messages == {}
        client.objects.up = True
        await stored(client, answer.headers["x-amzn-sagemaker-outputlocation"])
        missing = asynchronous(S3OutputPath="s3://missing/out", **topics)
        await make_endpoint(client, "other", config=missing)
        await submit(client, b"photo", endpoint="other")
        (message,) = await told(client, BAD)
        assert "NoSuchBucket" in message["failureReason"]


async def test_an_answer_may_come_with_the_message(tmp_path):
    """IncludeInferenceResponseIn; then S3OutputPath may be left out."""
    notification = {**TOPICS, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}
    output = {"NotificationConfig": notification}
    async with running_plane(tmp_path) as client:
        config = {"AsyncInferenceConfig": {"OutputConfig": output}}
        await make_endpoint(client, config=config)
        answer = await submit(client, b"photo")
        assert "x-amzn-sagemaker-outputlocation" not in answer.headers
        (message,) = await told(client, GOOD)
        body = message["responseBody"]
        assert body["encoding"] == "BASE64"
        assert b'"body": 5' in base64.b64decode(body["content"])


async def test_a_missing_topic_is_no_reason_to_lose_the_answer(tmp_path, caplog):
    """It is named in the log."""
    topics = {"SuccessTopic": "arn:aws:sns:us-east-1:000000000000:missing"}
    async with running_plane(tmp_path) as client:
        await make_endpoint(client, config=asynchronous(NotificationConfig=topics))
        answer = await submit(client, b"photo")
        await stored(client, answer.headers["x-amzn-sagemaker-outputlocation"])

        async def logged():
            return "missing: NotFound" in caplog.text

        await client.until(logged)


async def test_each_kind_of_endpoint_refuses_the_other_kind_of_request(client):
    """With the operation to call instead."""
    with pytest.raises(AwsError, match="is asynchronous: call InvokeEndpointAsync") as refused:
        await client.invoke("shelf")
    assert refused.value.code == "ValidationError"
    await make_endpoint(client, "prompt")
    with pytest.raises(AwsError, match="is not asynchronous: call InvokeEndpoint") as refused:
        await submit(client, b"photo", endpoint="prompt")
    assert (refused.value.status, refused.value.code) == (400, "ValidationError")
    with pytest.raises(AwsError, match="Endpoint nobody of account 000000000000 not found"):
        await submit(client, b"photo", endpoint="nobody")


async def test_a_configuration_that_could_not_be_is_refused(client):
    """With the member's name."""
    for config, words in (
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "expected S3OutputPath"),
        (asynchronous(KmsKeyId="k"), "OutputConfig.KmsKeyId is not supported"),
        (asynchronous(S3FailurePath="https://x/y"), "OutputConfig.S3FailurePath: https://x/y"),
    ):
        with pytest.raises(AwsError, match=re.escape(words)):
            await make_config(client, "other", ("v", "shelf-model", 1), **config)


async def test_describe_tells_of_asynchronous_inference_and_deletion_empties_the_queue(client):
    """AsyncInferenceConfig as it was given; requests that wait go with their endpoint."""
    endpoint = await client.endpoint("shelf")
    expected = asynchronous(1, NotificationConfig=TOPICS)["AsyncInferenceConfig"]
    assert endpoint["AsyncInferenceConfig"] == expected
    await make_model(client, "m")
    for _ in range(3):
        await submit(client, b"wait")
    await client.call("DeleteEndpoint", EndpointName="shelf")

    async def empty():
        return not client.plane._asynchronous.backlog("shelf")

    await client.until(empty)
    assert client.plane._context.store.all("async-request") == []
    assert len([uri for uri in client.objects.content if "/out/" in uri]) <= 1
