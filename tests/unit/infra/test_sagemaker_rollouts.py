"""A DeploymentConfig in figures."""

import pytest

from infra.sagemaker.errors import ValidationException
from infra.sagemaker.rollouts import Rollout


def config(kind="CANARY", wait=5, policy=None, **size):
    """A blue/green DeploymentConfig; a size is (type, value) by member."""
    sizes = {member: {"Type": type_, "Value": value} for member, (type_, value) in size.items()}
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **(policy or {})}}


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        (None, (1.0,)),
        (config("ALL_AT_ONCE"), (1.0,)),
        (config("CANARY", CanarySize=("CAPACITY_PERCENT", 10)), (0.1, 1.0)),
        (config("CANARY", CanarySize=("INSTANCE_COUNT", 1)), (0.25, 1.0)),
        (config("LINEAR", LinearStepSize=("CAPACITY_PERCENT", 40)), (0.4, 0.8, 1.0)),
        (config("LINEAR", LinearStepSize=("CAPACITY_PERCENT", 50)), (0.5, 1.0)),
        (config("LINEAR", LinearStepSize=("INSTANCE_COUNT", 2)), (0.5, 1.0)),
    ],
)
def test_the_traffic_goes_over_in_the_steps_that_were_asked_for(given, shares):
    """Of a deployment of four instances."""
    assert Rollout.from_config(given, 4).shares == pytest.approx(shares)


def test_a_linear_tenth_takes_ten_steps():
    """And ends at all of the traffic, whatever tenths add up to."""
    given = config("LINEAR", LinearStepSize=("CAPACITY_PERCENT", 10))
    shares = Rollout.from_config(given, 4).shares
    assert len(shares) == 10
    assert shares[-1] == 1.0


def test_waits_and_alarms_are_read():
    """Seconds, and the alarms' names."""
    waits = {"TerminationWaitInSeconds": 60, "MaximumExecutionTimeoutInSeconds": 600}
    given = {
        **config("ALL_AT_ONCE", 7, waits),
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }
    expected = Rollout((1.0,), wait=7, termination_wait=60, most=600, alarms=("errors",))
    assert Rollout.from_config(given, 1) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (config("CANARY"), "CanarySize is required for Type CANARY"),
        (config("CANARY", CanarySize=("CAPACITY_PERCENT", 51)), "CanarySize 51 of 100"),
        (
            config("CANARY", CanarySize=("INSTANCE_COUNT", 3)),
            "CanarySize 3 of 4: expected 0% to 50%",
        ),
        (config("LINEAR", LinearStepSize=("CAPACITY_PERCENT", 9)), "expected 10% to 50%"),
        ({"RollingUpdatePolicy": {}}, "RollingUpdatePolicy is not supported"),
    ],
)
def test_a_rollout_that_aws_does_not_allow_is_refused(given, words):
    """With the member, its value and what was expected."""
    with pytest.raises(ValidationException) as refused:
        Rollout.from_config(given, 4)
    assert words in refused.value.message
