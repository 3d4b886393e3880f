"""Training jobs as a client sees them: from CreateTrainingJob to the artifact in S3."""

import asyncio
import json
import os

import pytest
from sagemaker_memory import MemoryLogs, MemoryObjects
from sagemaker_plane import QUICK, ROLE, AwsError, channel, job_request, running_plane

pytestmark = pytest.mark.anyio

GROUP = "/aws/sagemaker/TrainingJobs"
ARTIFACT = "s3://shelf/output/job/output/model.tar.gz"


def s3_channel(**source):
    """A channel `train` at s3://shelf/d with other members of its S3DataSource."""
    one = channel("train", "s3://shelf/d")
    one["DataSource"]["S3DataSource"].update(source)
    return one


def seen(client, uri=ARTIFACT):
    """What the training container saw, as it told it in its artifact."""
    return json.loads(client.objects.tar(uri)["seen.json"])


async def test_a_job_sees_sagemakers_files_and_leaves_an_artifact(client, tmp_path):
    """Configuration files, channel, environment, statuses, artifact: contracts.md, 2."""
    client.objects.content["s3://shelf/data/train/deep/a.rec"] = b"records"
    await client.call(
        "CreateTrainingJob",
        **job_request(
            HyperParameters={"epochs": "2"},
            InputDataConfig=[
                channel("train", "s3://shelf/data/train", ContentType="application/x-recordio")
            ],
            Environment={"COLOUR": "red"},
        ),
    )
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": ARTIFACT}
    told = seen(client)
    assert told["hyperparameters.json"] == {"epochs": "2"}
    assert told["inputdataconfig.json"] == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "application/x-recordio",
        }
    }
    resources = told["resourceconfig.json"]
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]
    assert resources["network_interface_name"] == "lo"
    assert told["files"] == ["train/deep/a.rec"]
    expected = {
        "TRAINING_JOB_NAME": "job",
        "TRAINING_JOB_ARN": job["TrainingJobArn"],
        "COLOUR": "red",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
    }
    assert told["environment"].items() >= expected.items()
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all(one["EndTime"] >= one["StartTime"] for one in job["SecondaryStatusTransitions"])
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    assert client.logs.of(GROUP) == [
        f"Epoch[{n}] Validation-accuracy={a}" for n, a in ((0, 0.5), (1, 0.75))
    ]
    (key,) = client.logs.lines
    assert key[1].startswith("job/algo-1-1")
    await client.until(lambda: _gone(tmp_path / "state/work/training-job/job"))


async def _gone(path):
    return not path.exists()


async def test_output_data_and_final_metrics(client):
    """/opt/ml/output/data becomes output.tar.gz; a metric is its last match."""
    request = job_request(HyperParameters={"do": "data"})
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "validation:accuracy", "Regex": r"Validation-accuracy=([0-9.]+)"},
        {"Name": "never", "Regex": r"never=(\d+)"},
    ]
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("validation:accuracy", 0.75)
    output = client.objects.tar("s3://shelf/output/job/output/output.tar.gz")
    assert output == {"report.txt": b"report"}


async def test_a_failure_gives_the_first_part_of_the_failure_file(client):
    """FailureReason is `AlgorithmError: ` and as much of the file as its 1,024 characters hold."""
    await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "fail"}))
    job = await client.job("job")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == ("AlgorithmError: " + "x" * 1024)[:1024]
    assert ARTIFACT not in client.objects.content


async def test_a_crash_without_a_failure_file_gives_exit_code_and_last_lines(client):
    """So that the reason is seen without looking for the log."""
    await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "crash"}))
    job = await client.job("job")
    assert "exit code 4" in job["FailureReason"]
    assert "the last words" in job["FailureReason"]


async def test_a_job_that_holds_more_than_its_instance_has_fails_in_the_words_of_aws(
    client, monkeypatch
):
    """Whatever it wrote before: the reason is the memory, and its log says how much it was."""
    limit = "infra.sagemaker.training_instance.memory_limit"
    monkeypatch.setattr(limit, lambda instance_type: {"ml.m5.large": 100 * 1024**2}[instance_type])
    await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "eat"}))
    job = await client.job("job")
    assert job["FailureReason"] == (
        "ClientError: Please use an instance type with more memory, or reduce the size of job data "
        "processed on an instance., exit code: 137"
    )
    await client.logged(GROUP, "its processes held more than 0.0977 GiB of memory")


@pytest.mark.parametrize("do", ["sleep", "ignore"])
async def test_stopping_uploads_what_there_is(client, do):
    """SIGTERM, and SIGKILL for a container that ignores it; the artifact is kept."""
    await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": do}))
    await client.logged(GROUP, "sleeping")
    await client.call("StopTrainingJob", TrainingJobName="job")
    job = await client.job("job", status=("Stopping", "Stopped"))
    job = await client.job("job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert seen(client)["hyperparameters.json"] == {"do": do}
    with pytest.raises(AwsError, match="rejected because the training job is in status Stopped"):
        await client.call("StopTrainingJob", TrainingJobName="job")


async def test_a_job_ends_when_its_time_is_up(client):
    """Stopped, MaxRuntimeExceeded, artifact kept."""
    request = job_request(
        HyperParameters={"do": "sleep"}, StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    await client.call("CreateTrainingJob", **request)
    job = await client.job("job")
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert ARTIFACT in client.objects.content


async def test_checkpoints_are_restored_and_mirrored(client):
    """While the job runs, not only at its end."""
    client.objects.content["s3://shelf/ckpt/epoch-0"] = b"before"
    request = job_request(
        HyperParameters={"do": "sleep"}, CheckpointConfig={"S3Uri": "s3://shelf/ckpt"}
    )
    await client.call("CreateTrainingJob", **request)

    async def mirrored():
        return client.objects.content.get("s3://shelf/ckpt/epoch-1") == b"weights"

    await client.until(mirrored)
    await client.call("StopTrainingJob", TrainingJobName="job")
    await client.job("job")
    assert seen(client)["checkpoints"] == ["epoch-0"]


async def test_a_job_that_a_restart_interrupted_runs_again_from_its_checkpoints(tmp_path):
    """Even from those that had not been mirrored; its log says so."""
    objects, logs = MemoryObjects(), MemoryLogs()
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "sleep once"}))
        await client.logged(GROUP, "sleeping")
    objects.up = False
    async with running_plane(tmp_path, objects=objects, logs=logs) as client:
        await asyncio.sleep(0.5)
        job = await client.call("DescribeTrainingJob", TrainingJobName="job")
        assert job["TrainingJobStatus"] == "InProgress"
        objects.up = True
        job = await client.job("job")
        assert job["TrainingJobStatus"] == "Completed", job
        assert seen(client)["checkpoints"] == ["epoch-1"]
        await client.logged(GROUP, "it runs again, from 1 checkpoint files")


async def test_a_job_can_be_stopped_before_the_restarted_plane_has_gone_on_with_it(tmp_path):
    """S3 does not answer yet, so nothing runs; the job ends as soon as it does."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "ignore"}))
        await client.logged(GROUP, "sleeping")
    objects.up = False
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("StopTrainingJob", TrainingJobName="job")
        job = await client.call("DescribeTrainingJob", TrainingJobName="job")
        assert job["TrainingJobStatus"] == "Stopping"
        objects.up = True
        job = await client.job("job")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    statuses = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert statuses[-3:] == ["Stopping", "Uploading", "Stopped"]


async def test_a_job_that_was_stopping_at_a_restart_is_stopped_with_its_artifact(tmp_path):
    """What it had made before is uploaded."""
    objects = MemoryObjects()
    async with running_plane(tmp_path, objects=objects) as client:
        await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "ignore"}))
        await client.logged(GROUP, "sleeping")
        await client.call("StopTrainingJob", TrainingJobName="job")
    async with running_plane(tmp_path, objects=objects) as client:
        job = await client.job("job")
        assert job["TrainingJobStatus"] == "Stopped"
        assert seen(client)["hyperparameters.json"] == {"do": "ignore"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ResourceConfig": None}, "null at 'resourceConfig'"),
        ({"AlgorithmSpecification": None}, "null at 'algorithmSpecification'"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 0}},
            "'resourceConfig.instanceCount' failed to satisfy constraint: Member must have value",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://shelf/d", InputMode="FastFile")]},
            (
                "channel train: InputMode FastFile is not supported by this local SageMaker; channels "
                "are S3 data in File or Pipe mode"
            ),
        ),
        (
            {"InputDataConfig": [channel("train", "s3://shelf/d", CompressionType="Gzip")]},
            "channel train: CompressionType Gzip is used only in Pipe input mode.",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://shelf/d", RecordWrapperType="RecordIO")]},
            "channel train: RecordWrapperType RecordIO is used only in Pipe input mode.",
        ),
        (
            {
                "InputDataConfig": [
                    channel("train", "s3://shelf/d"),
                    channel("train", "s3://shelf/e"),
                ]
            },
            "Channel names ['train', 'train']: expected each name once",
        ),
        (
            {"InputDataConfig": [s3_channel(S3DataType="AugmentedManifestFile")]},
            "AugmentedManifestFile can only be used if the Channel's input mode is Pipe, not File",
        ),
        (
            {
                "InputDataConfig": [
                    {**s3_channel(S3DataType="AugmentedManifestFile"), "InputMode": "Pipe"}
                ]
            },
            "AttributeNames [] with S3DataType AugmentedManifestFile: one or more are expected",
        ),
        (
            {"InputDataConfig": [s3_channel(AttributeNames=["label"])]},
            "AttributeNames ['label'] with S3DataType S3Prefix: one or more are expected with",
        ),
        (
            {
                "InputDataConfig": [
                    {
                        **s3_channel(S3DataType="AugmentedManifestFile", AttributeNames=["label"]),
                        "InputMode": "Pipe",
                        "CompressionType": "Gzip",
                    }
                ]
            },
            "CompressionType Gzip with AugmentedManifestFile is not supported",
        ),
        (
            {"InputDataConfig": [s3_channel(S3DataType="Converse")]},
            "S3DataType Converse is not supported",
        ),
        (
            {"InputDataConfig": [s3_channel(InstanceGroupNames=["one"])]},
            "InstanceGroupNames is not supported",
        ),
        (
            {"InputDataConfig": [s3_channel(S3DataType="ManifestFile")]},
            'No S3 objects found under S3 URL "s3://shelf/d" given in input data source.',
        ),
        (
            {"InputDataConfig": [{"ChannelName": "train", "DataSource": {}}]},
            "channel train: this kind of DataSource is not supported",
        ),
        (
            {"InputDataConfig": [channel("train", "s3://shelf/nothing")]},
            'No S3 objects found under S3 URL "s3://shelf/nothing" given in input data source.',
        ),
        (
            {"InputDataConfig": [channel("train", "s3://elsewhere/nothing")]},
            "Error message from S3: s3://elsewhere/nothing: NoSuchBucket",
        ),
        (
            {"OutputDataConfig": {"S3OutputPath": "https://shelf/output"}},
            "https://shelf/output: expected s3://bucket/key",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "unheard-of:1",
                    "TrainingInputMode": "File",
                }
            },
            "Requested image unheard-of:1 not found. Images that run here for `train`: snapshelf-training, tiny-host, tiny-train.",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "tiny-train",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "m", "Regex": "("}],
                }
            },
            "Invalid regex '(' of metric m",
        ),
        ({"RoleArn": ROLE.replace("role", "user")}, "'roleArn' failed to satisfy constraint"),
    ],
)
async def test_what_cannot_run_is_refused_before_it_starts(client, changes, words):
    """With a ValidationException that names it; nothing is stored."""
    request = {key: value for key, value in job_request(**changes).items() if value is not None}
    with pytest.raises(AwsError) as refused:
        await client.call("CreateTrainingJob", **request)
    assert refused.value.code == "ValidationException"
    assert words in refused.value.message
    assert (await client.call("ListTrainingJobs"))["TrainingJobSummaries"] == []


async def test_more_instances_than_the_limit_are_refused_in_aws_words(client):
    """ResourceLimitExceeded names the limit, and how many were asked for."""
    config = {"InstanceType": "ml.m5.large", "InstanceCount": 9, "VolumeSizeInGB": 1}
    with pytest.raises(AwsError, match=r"is 8 Instances.*request delta of 9 Instances") as refused:
        await client.call("CreateTrainingJob", **job_request(ResourceConfig=config))
    assert (refused.value.code, refused.value.status) == ("ResourceLimitExceeded", 400)


async def test_names_are_unique_and_unknown_ones_not_found(client):
    """ResourceInUse, and the ValidationException that boto3's waiters expect."""
    await client.call("CreateTrainingJob", **job_request())
    with pytest.raises(AwsError, match="must be unique") as refused:
        await client.call("CreateTrainingJob", **job_request())
    assert (refused.value.code, refused.value.status) == ("ResourceInUse", 400)
    for operation in ("DescribeTrainingJob", "StopTrainingJob"):
        with pytest.raises(AwsError, match=r"Requested resource not found\.") as refused:
            await client.call(operation, TrainingJobName="nobody")
        assert refused.value.code == "ValidationException"
    await client.job("job")


async def test_jobs_are_listed_by_status(client):
    """With the members of a summary, and no others."""
    await client.call("CreateTrainingJob", **job_request("good"))
    await client.call("CreateTrainingJob", **job_request("bad", HyperParameters={"do": "crash"}))
    await client.job("good")
    await client.job("bad")
    answer = await client.call("ListTrainingJobs", StatusEquals="Failed")
    (summary,) = answer["TrainingJobSummaries"]
    assert summary["TrainingJobName"] == "bad"
    assert "HyperParameters" not in summary


async def test_stopping_the_plane_does_not_wait_for_a_stubborn_container(tmp_path):
    """SIGKILL comes after the plane's own short grace, not after SageMaker's 120 s."""
    async with running_plane(tmp_path) as client:
        await client.call("CreateTrainingJob", **job_request(HyperParameters={"do": "ignore"}))
        await client.logged(GROUP, "sleeping")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.plane.stop()
        assert loop.time() - began < QUICK.shutdown + 2
