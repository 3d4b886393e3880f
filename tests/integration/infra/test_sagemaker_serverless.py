"""Serverless endpoints: processes come with requests and go when there are none."""

import asyncio
import dataclasses

import pytest
from sagemaker_memory import MemoryObjects
from sagemaker_plane import QUICK, AwsError, make_model, running_plane

from infra.sagemaker import serverless

pytestmark = pytest.mark.anyio

ALWAYS = dataclasses.replace(QUICK, serverless_idle=3600)


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    """The machine bears two processes, whatever runs the tests."""
    monkeypatch.setattr(serverless, "machine_processes", lambda: 2)


async def make_serverless(client, most=5, *, name="shelf", model=None, **config):
    """A serverless endpoint, in service."""
    await make_model(client, "m", **model or {})
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": most, **config}
    variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": config}
    await client.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])
    await client.call("CreateEndpoint", EndpointName=name, EndpointConfigName="c")
    return await client.endpoint(name)


def processes(client):
    """Healthy processes of the endpoint."""
    return client.plane._live.get("shelf").variants["v"].healthy_count


async def idle(client, count=0):
    """Wait until so many processes are left."""

    async def left():
        return processes(client) == count

    await client.until(left)


async def test_nothing_runs_while_nobody_asks_and_a_request_starts_a_process(tmp_path):
    """InService all the while."""
    async with running_plane(tmp_path) as client:
        endpoint = await make_serverless(client)
        (variant,) = endpoint["ProductionVariants"]
        expected = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
        assert variant["CurrentServerlessConfig"] == variant["DesiredServerlessConfig"] == expected
        first = (await client.invoke("shelf")).json()["pid"]
        await idle(client)
        assert (await client.endpoint("shelf"))["EndpointStatus"] == "InService"
        assert client.plane._live.sessions() == {("shelf", "v"): []}
        answer = (await client.invoke("shelf")).json()
        assert answer["pid"] != first
        assert answer["model"] == "first"


async def test_requests_at_a_time_start_processes_up_to_what_the_machine_bears(tmp_path):
    """Two here; the other requests share them, and none is lost when they become fewer."""
    async with running_plane(tmp_path) as client:
        await make_serverless(client)
        await idle(client)
        answers = await asyncio.gather(*(client.invoke("shelf", b"wait") for _ in range(5)))
        assert len({one.json()["pid"] for one in answers}) == 2

        async def one_suffices():
            await client.invoke("shelf")
            return processes(client) == 1

        await client.until(one_suffices)


async def test_more_requests_than_max_concurrency_are_throttled(tmp_path):
    """In AWS's words; the others are answered."""
    async with running_plane(tmp_path, timing=ALWAYS) as client:
        await make_serverless(client, most=2)
        waiting = [asyncio.create_task(client.invoke("shelf", b"wait")) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(AwsError) as refused:
            await client.invoke("shelf")
        assert (refused.value.status, refused.value.code) == (400, "ThrottlingException")
        assert refused.value.message == "Rate exceeded"
        await asyncio.gather(*waiting)
        assert (await client.invoke("shelf")).status_code == 200


async def test_provisioned_processes_stay(tmp_path):
    """However long nobody asks; a live update of the number is followed."""
    async with running_plane(tmp_path) as client:
        await make_serverless(client, ProvisionedConcurrency=1)
        await asyncio.gather(*(client.invoke("shelf", b"wait") for _ in range(2)))
        await idle(client, 1)
        before = (await client.invoke("shelf")).json()["pid"]
        await asyncio.sleep(2 * QUICK.serverless_idle)
        assert (await client.invoke("shelf")).json()["pid"] == before
        change = {
            "VariantName": "v",
            "ServerlessUpdateConfig": {"MaxConcurrency": 7, "ProvisionedConcurrency": 2},
        }
        await client.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="shelf",
            DesiredWeightsAndCapacities=[change],
        )
        (variant,) = (await client.endpoint("shelf"))["ProductionVariants"]
        assert variant["CurrentServerlessConfig"]["MaxConcurrency"] == 7
        assert variant["CurrentServerlessConfig"]["MemorySizeInMB"] == 1024
        await idle(client, 2)


async def test_a_payload_over_four_megabytes_is_refused(tmp_path):
    """413, where an ordinary endpoint takes six."""
    async with running_plane(tmp_path, timing=ALWAYS) as client:
        await make_serverless(client)
        assert (await client.invoke("shelf", bytes(4 * 1024**2))).status_code == 200
        with pytest.raises(AwsError, match="exceeded 4194304 bytes") as refused:
            await client.invoke("shelf", bytes(4 * 1024**2 + 1))
        assert refused.value.status == 413


async def test_a_model_that_does_not_start_fails_the_endpoint(tmp_path):
    """It is tried once when the endpoint is made, with the last lines of its log."""
    async with running_plane(tmp_path) as client:
        endpoint = await make_serverless(client, model={"DO": "exit"})
    assert endpoint["EndpointStatus"] == "Failed"
    assert "no licence found" in endpoint["FailureReason"]


async def test_a_cold_start_that_fails_is_a_model_error_and_the_next_request_tries_again(tmp_path):
    """With the last lines of the container's log."""
    async with running_plane(tmp_path) as client:
        await make_serverless(client)
        await idle(client)
        program = tmp_path / "tiny-serve.py"
        working = program.read_text()
        program.write_text("import sys; print('no licence found'); sys.exit(2)")
        with pytest.raises(AwsError, match="no licence found") as failed:
            await client.invoke("shelf")
        assert (failed.value.status, failed.value.code) == (424, "ModelError")
        program.write_text(working)
        assert (await client.invoke("shelf")).json()["model"] == "first"


async def test_a_serverless_endpoint_comes_back_after_a_restart(tmp_path):
    """With its configuration."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await make_serverless(client)
    async with running_plane(tmp_path, objects=objects) as client:
        assert (await client.invoke("shelf")).json()["model"] == "first"
        (variant,) = (await client.endpoint("shelf"))["ProductionVariants"]
        assert variant["CurrentServerlessConfig"]["MaxConcurrency"] == 5


async def test_what_serverless_endpoints_do_not_offer_is_refused(tmp_path):
    """As AWS excludes it, by name."""
    capture = {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://shelf/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    good = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": config}
    async with running_plane(tmp_path) as client:
        await make_model(client, "m")
        for variants, more, words in (
            (
                [{**good, "ServerlessConfig": {**config, "MemorySizeInMB": 1500}}],
                {},
                "steps of 1024",
            ),
            (
                [{**good, "ServerlessConfig": {**config, "ProvisionedConcurrency": 3}}],
                {},
                "expected at most MaxConcurrency, 2",
            ),
            (
                [{**good, "InitialInstanceCount": 1}],
                {},
                "InitialInstanceCount and ServerlessConfig",
            ),
            ([good, {**good, "VariantName": "w"}], {}, "expected one ProductionVariant"),
            ([good], {"DataCaptureConfig": capture}, "DataCaptureConfig is not supported for"),
        ):
            with pytest.raises(AwsError, match=words) as refused:
                await client.call(
                    "CreateEndpointConfig",
                    EndpointConfigName="c",
                    ProductionVariants=variants,
                    **more,
                )
            assert refused.value.code == "ValidationException"


async def test_capacities_of_one_kind_are_not_given_to_the_other(tmp_path):
    """Instances are no concern of a serverless variant."""
    async with running_plane(tmp_path, timing=ALWAYS) as client:
        await make_serverless(client)
        change = {"VariantName": "v", "DesiredInstanceCount": 2}
        with pytest.raises(AwsError, match="a serverless variant counts no instances"):
            await client.call(
                "UpdateEndpointWeightsAndCapacities",
                EndpointName="shelf",
                DesiredWeightsAndCapacities=[change],
            )
