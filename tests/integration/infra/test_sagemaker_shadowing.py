"""Shadow variants: a copy of the traffic, whose answers are captured and never returned."""

import asyncio
import collections
import json
import re

import pytest
from sagemaker_memory import MemoryMetrics, MemoryObjects
from sagemaker_plane import AwsError, make_config, make_model, running_plane

from infra.sagemaker import shadowing

pytestmark = pytest.mark.anyio

CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://shelf/captured",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


def shadow(weight=1.0, model="new", name="shadow"):
    """A shadow variant of a configuration."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialVariantWeight": weight,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }


async def make_shadowed(client, weight=1.0, **new):
    """An endpoint with a shadow of another model, and data capture."""
    await make_model(client, "old", text="old")
    await make_model(client, "new", text="new", **new)
    more = {"ShadowProductionVariants": [shadow(weight)], "DataCaptureConfig": CAPTURE}
    await make_config(client, "c", ("live", "old", 1), **more)
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    return await client.endpoint("shelf")


def captured(objects):
    """Answers by variant, of what was captured."""
    answers = collections.defaultdict(list)
    for key, text in objects.content.items():
        if "/captured/" in key:
            variant = key.split("/")[5]
            for line in text.splitlines():
                record = json.loads(line)
                answers[variant].append(json.loads(record["captureData"]["endpointOutput"]["data"]))
    return answers


async def test_the_shadow_gets_a_copy_and_its_answers_are_captured_alone(tmp_path):
    """The client hears of the production variant only."""
    objects, metrics = MemoryObjects(), MemoryMetrics()
    async with running_plane(tmp_path, objects=objects, metrics=metrics) as client:
        endpoint = await make_shadowed(client)
        (described,) = endpoint["ShadowProductionVariants"]
        assert (described["VariantName"], described["CurrentInstanceCount"]) == ("shadow", 1)
        for _ in range(5):
            answer = await client.invoke("shelf", x_amzn_sagemaker_inference_id="42")
            assert answer.json()["model"] == "old"
            assert answer.headers["x-amzn-invoked-production-variant"] == "live"

        async def copied():
            return len(captured(objects)["shadow"]) == 5

        await client.until(copied)
    answers = captured(objects)
    assert {one["model"] for one in answers["live"]} == {"old"}
    assert {one["model"] for one in answers["shadow"]} == {"new"}
    seen = answers["shadow"][0]["headers"]
    assert seen["x-amzn-sagemaker-inference-id"] == "42"
    dimensions = {"EndpointName": "shelf", "VariantName": "shadow"}
    assert metrics.values("AWS/SageMaker", "Invocations", **dimensions) == [1] * 5


async def test_the_share_of_copies_follows_the_weights_and_can_be_changed_live(tmp_path):
    """A tenth of the production variant's weight, then none."""
    metrics = MemoryMetrics()
    async with running_plane(tmp_path, metrics=metrics) as client:
        await make_shadowed(client, weight=0.1)
        for _ in range(100):
            await client.invoke("shelf")
        change = {"VariantName": "shadow", "DesiredWeight": 0}
        await client.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="shelf",
            DesiredWeightsAndCapacities=[change],
        )
        await client.endpoint("shelf")
        before = client.plane._live.get("shelf").shadows["shadow"].demand.per_minute()
        for _ in range(20):
            await client.invoke("shelf")
        assert client.plane._live.get("shelf").shadows["shadow"].demand.per_minute() <= before
    dimensions = {"EndpointName": "shelf", "VariantName": "shadow"}
    copies = len(metrics.values("AWS/SageMaker", "Invocations", **dimensions))
    assert 1 <= copies <= 30  # 10 expected; 4 sigma is 12


async def test_a_slow_or_failing_shadow_harms_no_request(tmp_path, monkeypatch, caplog):
    """Copies beyond a bound are left out, and the log says so."""
    monkeypatch.setattr(shadowing, "MAX_COPIES", 2)
    async with running_plane(tmp_path) as client:
        await make_shadowed(client)
        for body in (b"bad", b"break"):
            with pytest.raises(AwsError):
                await client.invoke("shelf", body)
        answers = await asyncio.gather(*(client.invoke("shelf", b"wait") for _ in range(6)))
        assert {one.json()["model"] for one in answers} == {"old"}
    assert "copies are left out while 2 are under way" in caplog.text
    assert re.search("[456] copies for shadow variants were left out in all", caplog.text)


async def test_a_shadow_is_no_target(tmp_path):
    """TargetVariant reaches production variants only."""
    async with running_plane(tmp_path) as client:
        await make_shadowed(client)
        with pytest.raises(AwsError, match="Variant shadow of endpoint shelf not found"):
            await client.invoke("shelf", x_amzn_sagemaker_target_variant="shadow")


async def test_a_shadow_that_does_not_start_fails_the_endpoint(tmp_path):
    """With its name."""
    async with running_plane(tmp_path) as client:
        endpoint = await make_shadowed(client, DO="exit")
        assert endpoint["EndpointStatus"] == "Failed"
        assert "production variant shadow" in endpoint["FailureReason"]


async def test_what_cannot_be_shadowed_is_refused(tmp_path):
    """One production and one shadow variant, as AWS has it."""
    output = {"OutputConfig": {"S3OutputPath": "s3://shelf/out"}}
    async with running_plane(tmp_path) as client:
        await make_model(client, "m")
        for shadows, more, words in (
            ([shadow(model="m"), shadow(model="m", name="other")], {}, "expected one of each"),
            ([shadow(model="m", name="live")], {}, "Duplicate VariantName"),
            ([shadow(model="missing")], {}, "Could not find model"),
            (
                [shadow(model="m")],
                {"AsyncInferenceConfig": output},
                "not with AsyncInferenceConfig",
            ),
        ):
            with pytest.raises(AwsError, match=words):
                await make_config(
                    client, "c", ("live", "m", 1), ShadowProductionVariants=shadows, **more
                )
