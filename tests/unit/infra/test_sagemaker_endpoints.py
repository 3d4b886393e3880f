"""Endpoints as a client sees them: created, invoked, updated, restarted, deleted."""

import asyncio
import collections
import dataclasses
import os
import signal

import pytest
from sagemaker_memory import MemoryObjects, tar_gz
from sagemaker_plane import QUICK, AwsError, make_config, make_endpoint, make_model, running_plane

pytestmark = pytest.mark.anyio

ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
GROUP = "/aws/sagemaker/Endpoints/shelf"


async def gone(client, name="shelf"):
    """Wait until there is no such endpoint."""

    async def missing():
        try:
            await client.call("DescribeEndpoint", EndpointName=name)
        except AwsError:
            return True
        return False

    await client.until(missing)


def running(pid):
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_endpoint_serves_its_model_until_it_is_deleted(client, tmp_path):
    """Statuses, description, log group, and nothing left at the end."""
    endpoint = await make_endpoint(client)
    assert endpoint["EndpointStatus"] == "InService", endpoint
    (variant,) = endpoint["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    told = (await client.invoke("shelf")).json()
    assert told["model"] == "first"
    await client.logged(GROUP, "invoked")
    ((_, stream),) = [key for key in client.logs.lines if key[0] == GROUP]
    assert stream.startswith("AllTraffic/i-")
    await client.call("DeleteEndpoint", EndpointName="shelf")
    assert (await client.endpoint("shelf", status=("Deleting",)))["EndpointStatus"] == "Deleting"
    await gone(client)
    assert not running(told["pid"])
    assert not any((tmp_path / "state/work/endpoint").iterdir())
    with pytest.raises(AwsError) as refused:
        await client.call("DescribeEndpoint", EndpointName="shelf")
    assert refused.value.code == "ValidationException"
    assert refused.value.message == f'Could not find endpoint "{ARN}endpoint/shelf".'


async def test_a_container_that_exits_fails_the_endpoint_with_its_last_words(client):
    """And the endpoint can only be deleted."""
    endpoint = await make_endpoint(client, DO="exit")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "production variant AllTraffic did not pass the ping" in endpoint["FailureReason"]
    assert "ended with exit code 2" in endpoint["FailureReason"]
    assert "no licence found" in endpoint["FailureReason"]
    with pytest.raises(AwsError, match="Cannot update failed endpoint"):
        await client.call("UpdateEndpoint", EndpointName="shelf", EndpointConfigName="shelf-config")
    await client.call("DeleteEndpoint", EndpointName="shelf")
    await gone(client)


async def test_a_container_that_never_gets_healthy_fails_the_endpoint(tmp_path, monkeypatch):
    """After the time that SageMaker gives it (shortened here)."""
    timing = dataclasses.replace(QUICK, healthy_within=0.5)
    async with running_plane(tmp_path, timing=timing) as client:
        endpoint = await make_endpoint(client, DO="unhealthy")
        assert endpoint["EndpointStatus"] == "Failed"
        assert "was not healthy within 0.5 s" in endpoint["FailureReason"]


@pytest.mark.parametrize("artifact", [b"no archive", tar_gz({"../out": b"x"})])
async def test_an_unsafe_or_broken_artifact_fails_the_endpoint(client, artifact):
    """With the artifact's name in the reason."""
    await make_model(client, "m")
    client.objects.content["s3://shelf/models/m.tar.gz"] = artifact
    await make_config(client, "c", ("v", "m", 1))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    endpoint = await client.endpoint("shelf")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "model.tar.gz" in endpoint["FailureReason"]


async def test_what_is_in_progress_is_left_alone(client):
    """AWS refuses a second create, and update and delete while creating."""
    await make_model(client, "m", DO="unhealthy")
    await make_config(client, "c", ("v", "m", 1))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    for operation, parameters, words in (
        ("CreateEndpoint", {"EndpointConfigName": "c"}, "Cannot create already existing endpoint"),
        ("UpdateEndpoint", {"EndpointConfigName": "c"}, "Cannot update in-progress endpoint"),
        ("DeleteEndpoint", {}, "Cannot update in-progress endpoint"),
    ):
        with pytest.raises(AwsError, match=words) as refused:
            await client.call(operation, EndpointName="shelf", **parameters)
        assert refused.value.code == "ValidationException"
    with pytest.raises(AwsError, match="is not InService but Creating") as refused:
        await client.invoke("shelf")
    assert refused.value.code == "ValidationError"


async def test_an_endpoint_needs_a_configuration(client):
    """In AWS's words."""
    with pytest.raises(AwsError) as refused:
        await client.call("CreateEndpoint", EndpointName="e", EndpointConfigName="none")
    expected = f'Could not find endpoint configuration "{ARN}endpoint-config/none".'
    assert refused.value.message == expected


async def test_an_update_loses_no_request_and_switches_to_the_new_model(client):
    """Requests keep coming from several clients; each is answered by the old or the new one."""
    await make_endpoint(client)
    await make_model(client, "second", text="second")
    await make_config(client, "second-config", ("AllTraffic", "second", 1))
    answers, updated = [], asyncio.Event()

    async def hammer(body):
        while not updated.is_set() or answers[-1] != "second":
            answers.append((await client.invoke("shelf", body)).json()["model"])

    clients = [asyncio.create_task(hammer(body)) for body in (b"a", b"b", b"wait")]
    await asyncio.sleep(0.2)
    await client.call("UpdateEndpoint", EndpointName="shelf", EndpointConfigName="second-config")
    endpoint = await client.endpoint("shelf")
    updated.set()
    await asyncio.gather(*clients)
    assert endpoint["EndpointConfigName"] == "second-config"
    assert set(answers) == {"first", "second"}
    assert (await client.invoke("shelf")).json()["model"] == "second"


async def test_a_failed_update_leaves_the_old_one_serving(client):
    """InService, with the reason."""
    await make_endpoint(client)
    await make_model(client, "broken", DO="exit")
    await make_config(client, "broken-config", ("AllTraffic", "broken", 1))
    await client.call("UpdateEndpoint", EndpointName="shelf", EndpointConfigName="broken-config")
    endpoint = await client.endpoint("shelf")
    assert endpoint["EndpointStatus"] == "InService"
    assert "no licence found" in endpoint["FailureReason"]
    assert endpoint["EndpointConfigName"] == "shelf-config"
    assert (await client.invoke("shelf")).json()["model"] == "first"


async def test_traffic_follows_the_weights_and_target_variant(client):
    """A variant of weight 0 is reached by its name only."""
    await make_model(client, "one", text="one")
    await make_model(client, "two", text="two")
    await make_config(client, "c", ("a", "one", 3), ("b", "two", 1), ("shy", "two", 0))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    await client.endpoint("shelf")
    invoked = collections.Counter()
    for _ in range(120):
        answer = await client.invoke("shelf")
        invoked[answer.headers["x-amzn-invoked-production-variant"]] += 1
    assert invoked["shy"] == 0
    assert 60 < invoked["a"] < 115  # 90 expected; 4 sigma is 19
    answer = await client.invoke("shelf", x_amzn_sagemaker_target_variant="shy")
    assert answer.headers["x-amzn-invoked-production-variant"] == "shy"
    assert answer.json()["model"] == "two"
    with pytest.raises(AwsError, match="Variant nobody of endpoint shelf not found") as refused:
        await client.invoke("shelf", x_amzn_sagemaker_target_variant="nobody")
    assert refused.value.code == "ValidationError"


async def test_requests_are_shared_among_a_variants_instances(client):
    """Several processes of one model serve side by side."""
    await make_model(client, "m")
    await make_config(client, "c", ("v", "m", 1, 2))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    endpoint = await client.endpoint("shelf")
    assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    answers = await asyncio.gather(*(client.invoke("shelf", b"wait") for _ in range(4)))
    assert len({answer.json()["pid"] for answer in answers}) == 2


async def test_a_killed_container_comes_back_and_requests_wait_for_it(client):
    """A request that comes meanwhile is answered by the new process."""
    await make_endpoint(client)
    pid = (await client.invoke("shelf")).json()["pid"]
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    assert (await client.invoke("shelf")).json()["pid"] != pid


async def test_a_request_whose_container_is_killed_is_answered_by_another(client):
    """Where the variant has another instance."""
    await make_model(client, "m")
    await make_config(client, "c", ("v", "m", 1, 2))
    await client.call("CreateEndpoint", EndpointName="shelf", EndpointConfigName="c")
    await client.endpoint("shelf")
    waiting = [asyncio.create_task(client.invoke("shelf", b"wait")) for _ in range(6)]
    pid = (await client.invoke("shelf")).json()["pid"]
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*waiting)
    assert pid not in {answer.json()["pid"] for answer in answers}


async def test_a_hung_container_is_replaced(client):
    """One that accepts connections but no longer answers /ping."""
    await make_endpoint(client)
    pid = (await client.invoke("shelf", b"hang")).json()["pid"]

    async def replaced():
        try:
            return (await client.invoke("shelf")).json()["pid"] != pid
        except AwsError as error:  # the request that it was answering when it was ended
            if error.code != "ModelError":
                raise
            return False

    await client.until(replaced)
    assert not running(pid)


async def test_endpoints_come_back_after_a_restart(tmp_path):
    """By themselves, once S3 answers, even if model and configuration have been deleted."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await make_endpoint(client)
        pid = (await client.invoke("shelf")).json()["pid"]
        await client.call("DeleteModel", ModelName="shelf-model")
        await client.call("DeleteEndpointConfig", EndpointConfigName="shelf-config")
    assert not running(pid)
    objects.up = False
    async with running_plane(tmp_path, objects=objects) as client:
        endpoint = await client.call("DescribeEndpoint", EndpointName="shelf")
        assert endpoint["EndpointStatus"] == "SystemUpdating"
        waiting = asyncio.create_task(client.invoke("shelf"))
        await asyncio.sleep(0.1)
        objects.up = True
        assert (await waiting).json()["model"] == "first"
        assert (await client.endpoint("shelf"))["EndpointStatus"] == "InService"


async def test_what_was_being_deleted_at_a_restart_is_gone(tmp_path):
    """Its containers ended with the plane."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client)
        slow = asyncio.create_task(client.invoke("shelf", b"wait"))
        await asyncio.sleep(0.1)
        await client.call("DeleteEndpoint", EndpointName="shelf")
        slow.cancel()
    async with running_plane(tmp_path) as client:
        assert (await client.call("ListEndpoints"))["Endpoints"] == []


async def test_endpoints_are_listed_by_status(client):
    """With the members of a summary."""
    await make_endpoint(client)
    (summary,) = (await client.call("ListEndpoints", StatusEquals="InService"))["Endpoints"]
    assert summary["EndpointName"] == "shelf"
    assert (await client.call("ListEndpoints", StatusEquals="Failed"))["Endpoints"] == []


async def test_a_container_that_holds_more_than_its_instance_has_is_killed_and_replaced(
    client, monkeypatch
):
    """Its request is a ModelError, its log says why, and the next request is answered."""
    limit = "infra.sagemaker.variants.memory_limit"
    monkeypatch.setattr(limit, lambda instance_type: {"ml.m5.large": 100 * 1024**2}[instance_type])
    await make_endpoint(client)
    with pytest.raises(AwsError, match="could not get a response"):
        await client.invoke("shelf", b"eat")
    await client.logged(GROUP, "its processes held more than 0.0977 GiB of memory")
    assert (await client.invoke("shelf")).json()["model"] == "first"
