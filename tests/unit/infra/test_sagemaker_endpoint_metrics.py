"""What CloudWatch learns of an endpoint: invocations, latencies, errors, processor and memory."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from sagemaker_stand_ins import AwsError, MemoryMetrics, make_endpoint, running_plane

from infra.sagemaker import endpoint_metrics
from infra.sagemaker.observations import Observations, metric_data
from infra.sagemaker.process_usage import session_usage

pytestmark = pytest.mark.anyio

INVOCATIONS, INSTANCES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
DIMENSIONS = {"EndpointName": "shelf", "VariantName": "AllTraffic"}


@pytest.fixture
def anyio_backend():
    """The plane stands on asyncio."""
    return "asyncio"


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
    """In per cent, of each variant."""
    async with running_plane(tmp_path) as client:
        await make_endpoint(client)

        async def told():
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
    monkeypatch.setattr(endpoint_metrics, "MAX_KEPT", 2)
    metrics = MemoryMetrics()
    metrics.up = False
    async with running_plane(tmp_path, metrics=metrics) as client:
        await make_endpoint(client)
        await client.invoke("shelf")
    assert "metrics were left out: CloudWatch does not answer" in caplog.text


def test_many_different_values_take_several_data():
    """PutMetricData allows 150 in one."""
    seen = Counter({float(value): 2 for value in range(301)})
    data = list(metric_data("ModelLatency", "e", "v", seen, "Microseconds"))
    assert [len(one["Values"]) for one in data] == [150, 150, 1]
    assert sum(sum(one["Counts"]) for one in data) == 602


def test_a_request_counts_by_its_share_of_the_instances():
    """InvocationsPerInstance is 1 divided by the variant's instances."""
    seen = Observations()
    seen.invoked("e", "v", status=200, model_seconds=0.25, total_seconds=0.5, instances=4)
    told = {one["MetricName"]: (one["Values"], one["Unit"]) for one in seen.take()}
    assert told["InvocationsPerInstance"] == ([0.25], "None")
    assert told["ModelLatency"] == told["OverheadLatency"] == ([250_000], "Microseconds")
    assert seen.take() == []


def test_a_sessions_processes_are_added_up():
    """The leader and what it started; a session that has ended is left out."""
    script = "import subprocess, sys; sum(range(10**7)); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        process.stdout.readline()
        (usage,) = session_usage({process.pid}).values()
        assert usage.cpu_seconds > 0.05
        assert 0 < usage.memory < 1
        process.stdin.close()
    assert session_usage({process.pid}) == {}
