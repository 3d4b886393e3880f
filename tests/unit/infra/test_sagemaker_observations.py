"""What is counted of an invocation, and what a process uses."""

import subprocess
import sys
from collections import Counter

from infra.sagemaker.observations import INVOCATIONS_NAMESPACE, Observations, metric_data
from infra.sagemaker.process_usage import session_usage

DIMENSIONS = {"EndpointName": "e", "VariantName": "v"}


def test_many_different_values_take_several_data():
    """PutMetricData allows 150 in one."""
    seen = Counter({float(value): 2 for value in range(301)})
    data = list(metric_data("ModelLatency", DIMENSIONS, seen, "Microseconds"))
    assert [len(one["Values"]) for one in data] == [150, 150, 1]
    assert sum(sum(one["Counts"]) for one in data) == 602


def test_a_request_counts_by_its_share_of_the_instances():
    """InvocationsPerInstance is 1 divided by the variant's instances."""
    seen = Observations()
    seen.invoked("e", "v", status=200, model_seconds=0.25, total_seconds=0.5, instances=4)
    told = {
        one["MetricName"]: (one["Values"], one["Unit"])
        for one in seen.take()[INVOCATIONS_NAMESPACE]
    }
    assert told["InvocationsPerInstance"] == ([0.25], "None")
    assert told["ModelLatency"] == told["OverheadLatency"] == ([250_000], "Microseconds")
    assert not any(seen.take().values())


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


def test_latencies_that_are_nearly_the_same_share_a_value():
    """Two digits of microseconds, so that a busy minute has tens of values, not thousands."""
    seen = Observations()
    for seconds in (0.0141234, 0.0143432, 0.0152001):
        seen.invoked(
            "e", "v", status=200, model_seconds=seconds, total_seconds=seconds, instances=1
        )
    (latency,) = [
        one for one in seen.take()[INVOCATIONS_NAMESPACE] if one["MetricName"] == "ModelLatency"
    ]
    assert (latency["Values"], latency["Counts"]) == ([14_000, 15_000], [2, 1])
