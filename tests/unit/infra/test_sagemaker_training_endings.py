"""How training jobs end where S3, a host or the plane does not do as it should."""

import asyncio
import json
import threading

import pytest
from sagemaker_memory import MemoryLogs, MemoryObjects
from sagemaker_plane import channel, hosts_request, job_request, running_plane
from sagemaker_programs import HOST_SCRIPT

from infra.sagemaker.object_store import StorageError
from infra.sagemaker.training_results import ATTEMPTS

pytestmark = pytest.mark.anyio

GROUP = "/aws/sagemaker/TrainingJobs"
ARTIFACT = "s3://shelf/output/job/output/model.tar.gz"


class Refusing(MemoryObjects):
    """S3 that takes no object whose key contains a text, so many times."""

    def __init__(self, text, times):
        super().__init__()
        self.text, self.times = text, times

    def upload(self, path, location):
        if self.text in location.key and self.times > 0:
            self.times -= 1
            raise StorageError(f"{location}: SlowDown")
        super().upload(path, location)


async def test_an_artifact_that_s3_refuses_is_offered_again(tmp_path):
    """The last of the attempts is as good as the first."""
    objects = Refusing("model.tar.gz", ATTEMPTS - 1)
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **job_request())
        job = await client.job("job")
    assert job["TrainingJobStatus"] == "Completed"
    assert ARTIFACT in objects.content


async def test_an_artifact_that_s3_never_takes_is_kept_on_this_machine(tmp_path, caplog):
    """The job has failed, and its reason and the log say where the model is; restarts leave it."""
    objects = Refusing("model.tar.gz", ATTEMPTS)
    objects.content["s3://shelf/data/a"] = b"records"
    request = job_request(InputDataConfig=[channel("train", "s3://shelf/data/")])
    kept = tmp_path / "state/work/unsent/job"
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **request)
        job = await client.job("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f"ClientError: Artifact upload failed: {ARTIFACT}: SlowDown"
    )
    assert str(kept) in job["FailureReason"]
    assert f"it is kept in {kept}" in caplog.text
    async with running_plane(tmp_path, objects=objects):
        await asyncio.sleep(0.1)
    assert json.loads((kept / "algo-1/ml/model/seen.json").read_text())["files"] == ["train/a"]
    assert (kept / "model.tar.gz").exists()
    assert not (kept / "algo-1/ml/input/data").exists()


async def test_a_disk_too_full_for_the_archive_loses_no_model(tmp_path, monkeypatch):
    """It can be packed by hand, once there is room."""

    def full(_folders, _archive):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("infra.sagemaker.training_results.pack", full)
    async with running_plane(tmp_path) as client:
        await client.call("CreateTrainingJob", **job_request())
        job = await client.job("job")
    assert "No space left on device" in job["FailureReason"]
    assert (tmp_path / "state/work/unsent/job/algo-1/ml/model/seen.json").exists()


async def test_checkpoints_that_s3_refuses_at_the_end_do_not_cost_the_model(tmp_path):
    """The model is stored, the job completed; the checkpoints are kept."""
    objects = Refusing("ckpt", 10_000)
    request = hosts_request(count=1, CheckpointConfig={"S3Uri": "s3://shelf/ckpt"})
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **request)
        job = await client.job("job")
        assert job["TrainingJobStatus"] == "Completed"
        assert ARTIFACT in objects.content
        assert (tmp_path / "state/work/unsent/job/algo-1/ml/checkpoints/algo-1").exists()


async def test_a_failed_job_tells_its_own_failure_even_where_s3_refuses(tmp_path):
    """That its output could not be stored is the lesser news."""
    objects = Refusing("output.tar.gz", ATTEMPTS)
    request = hosts_request(count=1, HyperParameters={"fails": "algo-1"})
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **request)
        job = await client.job("job")
    assert job["FailureReason"].startswith("AlgorithmError: algo-1 has no licence (what the job")


async def test_a_restart_while_the_artifact_is_uploaded_does_not_train_again(tmp_path):
    """What a restart of the cloud is there for is often S3 that does not answer."""
    objects, logs = Refusing("model.tar.gz", 10_000), MemoryLogs()
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        await client.call("CreateTrainingJob", **job_request())

        async def refused():
            return objects.times < 10_000

        await client.until(refused)
    objects.times = 0
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        job = await client.job("job")
    assert job["TrainingJobStatus"] == "Completed"
    assert ARTIFACT in objects.content
    assert logs.of(GROUP).count("Epoch[0] Validation-accuracy=0.5") == 1


class Endless(MemoryObjects):
    """S3 whose objects never come whole."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Event()

    def download(self, location, _path, on_piece=None):
        self.asked.set()
        for _ in range(1000):
            if on_piece:
                on_piece()
            threading.Event().wait(0.01)
        raise StorageError(f"{location}: it took longer than the test")


async def test_a_job_is_stopped_while_its_channels_are_downloaded(tmp_path):
    """In the middle of an object: the largest ones take hours."""
    objects = Endless()
    objects.content["s3://shelf/data/a"] = b"records"
    request = job_request(InputDataConfig=[channel("train", "s3://shelf/data/")])
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **request)

        async def downloading():
            return objects.asked.is_set()

        await client.until(downloading)
        await client.call("StopTrainingJob", TrainingJobName="job")
        job = await client.job("job")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    statuses = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert "Training" not in statuses


async def test_the_host_that_failed_first_gives_the_reason(tmp_path):
    """Though another, which fails because of it, is first by name and sooner at its end."""
    script = HOST_SCRIPT.replace(
        'if settings.get("fails") == host:',
        """
if settings.get("cascade"):
    root, failed = host == "algo-2", pathlib.Path(settings["cascade"])
    while not (root or failed.exists()):
        time.sleep(0.01)
    (base / "output/failure").write_text("out of memory" if root else "algo-2 is lost")
    failed.touch()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1.2 if root else 0)
    sys.exit(1)
if settings.get("fails") == host:""",
    )
    async with running_plane(tmp_path) as client:
        (tmp_path / "tiny-host.py").write_text(script)
        await client.call(
            "CreateTrainingJob", **hosts_request(HyperParameters={"cascade": f"{tmp_path}/failed"})
        )
        job = await client.job("job")
    assert job["FailureReason"] == "AlgorithmError: out of memory"


async def test_a_run_that_goes_on_ships_only_its_own_lines(tmp_path):
    """Those of the run before it are in that one's stream already."""
    logs = MemoryLogs()
    async with running_plane(tmp_path, logs=logs) as client:
        await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "sleep once"}))
        await client.logged(GROUP, "sleeping")
    async with running_plane(tmp_path, logs=logs) as client:
        await client.job("job")
    told = logs.of(GROUP)
    assert told.count("sleeping") == 1
    assert told.count("Epoch[0] Validation-accuracy=0.5") == 2  # each run's own
