"""What CloudWatch learns of training and transform jobs: their hosts' use, and what logs tell."""

import os

import pytest
from sagemaker_memory import MemoryMetrics
from sagemaker_plane import hosts_request, job_request, running_plane
from sagemaker_transform import batch_image, make_batch_model, transform_request

pytestmark = pytest.mark.anyio

TRAINING, TRANSFORM = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/TransformJobs"
ACCURACY = {"Name": "validation:accuracy", "Regex": r"Validation-accuracy=([0-9.]+)"}


async def used(client, namespace, host):
    """Both figures of a host, once there are some of its processor."""

    async def told():
        return client.metrics.values(namespace, "CPUUtilization", Host=host)

    processor = await client.until(told)
    return processor, client.metrics.values(namespace, "MemoryUtilization", Host=host)


async def test_every_host_of_a_training_job_tells_its_use(client):
    """By AWS's name of it, in per cent, while the job runs."""
    request = hosts_request(count=2, HyperParameters={"seconds": "30"})
    await client.call("CreateTrainingJob", **request)
    for host in ("job/algo-1", "job/algo-2"):
        processor, memory = await used(client, TRAINING, host)
        assert all(0 <= one <= 100 * os.cpu_count() for one in processor)
        assert all(0 < one < 100 for one in memory)


async def test_a_transform_jobs_host_tells_its_use(tmp_path):
    """By the name that its log streams have."""
    async with running_plane(tmp_path, images=[batch_image(tmp_path)]) as client:
        await make_batch_model(client)
        client.objects.content["s3://shelf/in/a"] = b"slow 30"
        await client.call("CreateTransformJob", **transform_request())
        _, memory = await used(client, TRANSFORM, "job/i-0")
        assert all(0 < one < 100 for one in memory)


async def test_what_metric_definitions_find_in_the_log_comes_in_its_order(tmp_path):
    """Each value once, by the job's name, as the SDK's TrainingJobAnalytics asks for it."""
    metrics = MemoryMetrics()
    async with running_plane(tmp_path, metrics=metrics) as client:
        request = job_request()
        request["AlgorithmSpecification"]["MetricDefinitions"] = [ACCURACY]
        await client.call("CreateTrainingJob", **request, HyperParameters={"epochs": "2"})
        await client.job("job")
    found = metrics.values(TRAINING, ACCURACY["Name"], TrainingJobName="job")
    assert found == [0.5, 0.75]
    assert all("Timestamp" in datum for datum in metrics.data[TRAINING])
