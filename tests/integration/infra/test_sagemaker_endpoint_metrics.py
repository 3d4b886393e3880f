"""What CloudWatch learns of an endpoint: invocations, latencies, errors, processor and memory."""

import asyncio
import os
from collections import Counter

import pytest
from sagemaker_memory import MemoryMetrics
from sagemaker_plane import QUICK, AwsError, make_endpoint, running_plane

from infra.sagemaker import cloud_metrics

pytestmark = pytest.mark.anyio

INVOCATIONS, INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
DIMENSIONS = {"EndpointName": "shelf", "VariantName": "AllTraffic"}


def values(metrics, metric, namespace=INVOCATIONS):
    """Every value that CloudWatch has of a metric of the endpoint."""
    return metrics.values(namespace, metric, **DIMENSIONS)


async def test_every_invocation_is_counted_with_its_latency_and_its_error(tmp_path):
    """Two answers, a 4xx, a 5xx, and a container that dies: 0 or 1 for each, as AWS counts."""
    metrics = MemoryMetrics()
    async with running_plane(tmp_path, metrics=metrics) as client:
        await make_endpoint(client)
        await client.invoke("shelf", b"wait")
        await client.invoke("shelf")
        for body in (b"bad", b"break", b"die"):
            with pytest.raises(AwsError):
                await client.invoke("shelf", body)
    assert values(metrics, "Invocations") == [1] * 5
    assert values(metrics, "InvocationsPerInstance") == [1] * 5
    assert Counter(values(metrics, "Invocation4XXErrors")) == {0: 4, 1: 1}
    assert Counter(values(metrics, "Invocation5XXErrors")) == {0: 3, 1: 2}
    latencies = values(metrics, "ModelLatency")
    assert len(latencies) == len(values(metrics, "OverheadLatency")) == 5
    assert max(latencies) >= 500_000  # microseconds: `wait` takes half a second
    assert all(0 <= one < 400_000 for one in values(metrics, "OverheadLatency"))


async def test_processor_and_memory_of_the_containers_are_told(tmp_path):
    """In per cent, of each variant that has requests; nothing of one that has none."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client)

        await asyncio.sleep(3 * QUICK.metrics_interval)
        assert client.metrics.data.get(INSTANCES, []) == []

        async def told():
            await client.invoke("shelf")
            return values(client.metrics, "CPUUtilization", INSTANCES)

        assert all(0 <= one <= 100 * os.cpu_count() for one in await client.until(told))
        memory = values(client.metrics, "MemoryUtilization", INSTANCES)
        assert all(0 < one < 100 for one in memory)


async def test_metrics_are_kept_until_cloudwatch_takes_them(tmp_path):
    """None is lost while it is away, and each bears the time at which it was seen."""
    metrics = MemoryMetrics()
    metrics.up = False
    async with running_plane(tmp_path, metrics=metrics) as client:
        await make_endpoint(client)
        await client.invoke("shelf")
        metrics.up = True
        await client.invoke("shelf")
    assert values(metrics, "Invocations") == [1, 1]
    assert all("Timestamp" in datum for datum in metrics.data[INVOCATIONS])


async def test_beyond_their_bound_metrics_are_left_out_and_the_log_says_so(
    tmp_path, monkeypatch, caplog
):
    """A cloud without CloudWatch must not fill the memory."""
    monkeypatch.setattr(cloud_metrics, "MAX_KEPT", 2)
    metrics = MemoryMetrics()
    metrics.up = False
    async with running_plane(tmp_path, metrics=metrics) as client:
        await make_endpoint(client)
        await client.invoke("shelf")
    assert "metrics were left out: CloudWatch does not answer" in caplog.text
