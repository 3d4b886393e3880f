"""Training jobs on several hosts, as their programs and a client see them."""

import json
import time

import pytest
from sagemaker_memory import MemoryLogs, MemoryObjects
from sagemaker_plane import channel, hosts_request, running_plane

from infra.sagemaker.containers import LayoutMode, layout_mode
from infra.sagemaker.training_hosts import ADDRESSES_VARIABLE, hosts_of

pytestmark = pytest.mark.anyio

GROUP = "/aws/sagemaker/TrainingJobs"
OUTPUT = "s3://shelf/output/job/output"


def told(client):
    """What each host saw, by its name."""
    archive = client.objects.tar(f"{OUTPUT}/model.tar.gz")
    return {
        name.removesuffix(".json"): json.loads(content)
        for name, content in archive.items()
        if name.endswith(".json")
    }


async def test_each_host_has_its_own_name_and_all_know_of_each_other(client):
    """resourceconfig.json, addresses, log streams, and one archive of what all wrote."""
    await client.call("CreateTrainingJob", **hosts_request(count=3))
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Completed", job
    names = ["algo-1", "algo-2", "algo-3"]
    seen = told(client)
    assert sorted(seen) == names
    for name, one in seen.items():
        assert one["resources"]["current_host"] == name
        assert one["resources"]["hosts"] == names
        assert one["resources"]["instance_groups"][0]["hosts"] == names
        assert one["resources"]["network_interface_name"] == "lo"
    variable = seen["algo-2"]["environment"][ADDRESSES_VARIABLE]
    addresses = dict(pair.split("=") for pair in variable.split(","))
    assert list(addresses) == names
    assert len(set(addresses.values())) == 3
    if layout_mode() is not LayoutMode.BASE_DIR:
        assert all(one["found_at"] == addresses for one in seen.values())
    model = client.objects.tar(f"{OUTPUT}/model.tar.gz")
    assert model["shared"] == b"algo-1"
    assert sorted(client.objects.tar(f"{OUTPUT}/output.tar.gz")) == names
    streams = {stream.rsplit("-", 1)[0]: lines for (_, stream), lines in client.logs.lines.items()}
    assert streams == {f"job/{name}": [f"hello from {name}"] for name in names}


async def test_without_mount_namespaces_the_variable_still_names_the_addresses(tmp_path):
    """Nobody resolves algo-2 there."""
    async with running_plane(tmp_path, layout=LayoutMode.BASE_DIR) as client:
        await client.call("CreateTrainingJob", **hosts_request())
        await client.job("job")
        assert ADDRESSES_VARIABLE in told(client)["algo-2"]["environment"]


def test_addresses_follow_the_jobs_name_and_are_loopback():
    """A job keeps them when it is run again; another job has others."""
    config = {"ResourceConfig": {"InstanceCount": 8}}
    first, again = (hosts_of({"TrainingJobName": "job", **config}) for _ in range(2))
    other = hosts_of({"TrainingJobName": "other", **config})
    assert first == again
    both = {one.address for one in (*first, *other)}
    assert len(both) == 16
    assert all(address.startswith("127.") for address in both)
    assert not any(address.startswith("127.0.") for address in both)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("fails", "AlgorithmError: algo-2 has no licence"),
        (
            "dies",
            "AlgorithmError: algo-2: killed by SIGKILL; the end of its log:\nhello from algo-2",
        ),
    ],
)
async def test_a_host_that_fails_fails_the_job_and_the_others_are_stopped(client, how, reason):
    """The reason is the failing host's; nobody waits for the others' own end."""
    request = hosts_request(count=3, HyperParameters={how: "algo-2"})
    request["HyperParameters"].update({} if how == "dies" else {"seconds": "50"})
    began = time.monotonic()
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == reason
    assert time.monotonic() - began < 10
    assert f"{OUTPUT}/model.tar.gz" not in client.objects.content


async def test_stopping_ends_every_host_in_its_own_time(client):
    """Each gets SIGTERM, and what each leaves is kept."""
    await client.call("CreateTrainingJob", **hosts_request(HyperParameters={"seconds": "50"}))
    for name in ("algo-1", "algo-2"):
        await client.logged(GROUP, f"hello from {name}")
    await client.call("StopTrainingJob", TrainingJobName="job")
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Stopped"
    model = client.objects.tar(f"{OUTPUT}/model.tar.gz")
    assert {"algo-1.stopped", "algo-2.stopped"} <= set(model)


async def test_objects_are_divided_among_the_hosts(client):
    """ShardedByS3Key: each object on one host; FullyReplicated: on each."""
    for name in "abc":
        client.objects.content[f"s3://shelf/data/{name}"] = name.encode()
    sharded = channel("sharded", "s3://shelf/data/")
    sharded["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    whole = channel("whole", "s3://shelf/data/")
    request = hosts_request(InputDataConfig=[sharded, whole])
    await client.call("CreateTrainingJob", **request)
    await client.job("job")
    files = {name: sorted(one["files"]) for name, one in told(client).items()}
    everything = ["whole/a", "whole/b", "whole/c"]
    assert files == {
        "algo-1": ["sharded/a", "sharded/c", *everything],
        "algo-2": ["sharded/b", *everything],
    }


async def test_checkpoints_of_all_hosts_are_stored_and_restored_to_all(tmp_path):
    """Also after the plane's end, which interrupts all hosts."""
    objects, logs = MemoryObjects(), MemoryLogs()
    objects.content["s3://shelf/ckpt/earlier"] = b"before"
    request = hosts_request(
        HyperParameters={"seconds": "50"}, CheckpointConfig={"S3Uri": "s3://shelf/ckpt"}
    )
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        await client.call("CreateTrainingJob", **request)

        async def mirrored():
            return {"s3://shelf/ckpt/algo-1", "s3://shelf/ckpt/algo-2"} <= objects.content.keys()

        await client.until(mirrored)
        await client.until(lambda: _greeted(logs, 1))  # which they do after they wrote
        assert objects.content["s3://shelf/ckpt/earlier"] == b"before"
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        await client.logged(GROUP, "it runs again, from 3 checkpoint files")
        await client.until(lambda: _greeted(logs, 2))
        await client.call("StopTrainingJob", TrainingJobName="job")
        await client.job("job")
        for one in told(client).values():
            assert one["checkpoints"] == ["algo-1", "algo-2", "earlier"]


async def test_a_mirroring_that_goes_wrong_is_not_the_last(tmp_path):
    """Whatever went wrong: the next one stores what it could not."""

    class Unsteady(MemoryObjects):
        broken = False

        def upload(self, path, location):
            if not self.broken:
                self.broken = True
                raise PermissionError(location.key)
            super().upload(path, location)

    objects = Unsteady()
    request = hosts_request(
        count=1,
        HyperParameters={"seconds": "50"},
        CheckpointConfig={"S3Uri": "s3://shelf/ckpt"},
    )
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **request)

        async def mirrored():
            return "s3://shelf/ckpt/algo-1" in objects.content

        await client.until(mirrored)


async def _greeted(logs, times):
    lines = logs.of(GROUP)
    return all(lines.count(f"hello from {name}") >= times for name in ("algo-1", "algo-2"))


async def test_the_machine_is_divided_among_the_hosts(client):
    """Threads that spin beside each other are slower than fewer."""
    await client.call("CreateTrainingJob", **hosts_request(count=8))
    await client.job("job")
    threads = {one["environment"]["OMP_NUM_THREADS"] for one in told(client).values()}
    assert len(threads) == 1
    assert int(threads.pop()) >= 1


def test_jobs_of_one_name_in_two_clouds_have_addresses_of_their_own():
    """Hosts listen on fixed ports of their addresses, and all of loopback is one machine's."""
    job = {"TrainingJobName": "pair", "ResourceConfig": {"InstanceCount": 2}}
    one, other = hosts_of(job, cloud="/state/one"), hosts_of(job, cloud="/state/other")
    assert not {host.address for host in one} & {host.address for host in other}
    assert hosts_of(job, cloud="/state/one") == one
