"""How many instances a target-tracking policy wants, of what a variant is asked."""

import math

import pytest

from infra.sagemaker.demand import Demand
from infra.sagemaker.scaling_policies import CONCURRENCY, INVOCATIONS, Load, Situation, decide


def policy(target=1.0, metric=INVOCATIONS, **more):
    """A target-tracking configuration without cooldowns."""
    return {
        "TargetValue": target,
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
        "ScaleOutCooldown": 0,
        "ScaleInCooldown": 0,
        **more,
    }


def situation(present=1, least=1, most=10, since_out=math.inf, since_change=math.inf):
    """What a variant has."""
    return Situation(present, least, most, since_out, since_change)


def load(per_minute=0.0, concurrent=0, backlog=0):
    """What a variant is asked."""
    return Load(per_minute, concurrent, backlog)


@pytest.mark.parametrize(
    ("seen", "state", "policies", "count"),
    [
        (load(60), situation(1), [policy(20)], 3),
        (load(61), situation(1), [policy(20)], 4),
        (load(60), situation(3), [policy(20)], None),
        (load(1000), situation(1, most=4), [policy(20)], 4),
        (load(0), situation(3), [policy(20)], 1),
        (load(0), situation(3, least=2), [policy(20)], 2),
        (load(0), situation(3), [policy(20, DisableScaleIn=True)], None),
        (load(40, 6), situation(2), [policy(20), policy(2, CONCURRENCY)], 3),
        (load(40, 0), situation(2), [policy(20), policy(2, CONCURRENCY)], None),
        (load(60), situation(1, since_out=9), [policy(20, ScaleOutCooldown=10)], None),
        (load(60), situation(1, since_out=10), [policy(20, ScaleOutCooldown=10)], 3),
        (load(60), situation(1, since_change=0), [policy(20, ScaleOutCooldown=10)], 3),
        (load(0), situation(3, since_change=9), [policy(20, ScaleInCooldown=10)], None),
        (load(0), situation(3, since_change=10), [policy(20, ScaleInCooldown=10)], 1),
        (load(0), situation(3), [], None),
    ],
)
def test_the_instances_follow_the_target(seen, state, policies, count):
    """Within the capacities, by the policy that wants most, and not before a cooldown is over."""
    decision = decide(policies, seen, state)
    assert (decision and decision.count) == count


def test_demand_looks_back_over_its_window():
    """Requests a minute, and the most at a time since the last look."""
    moment = 1000.0
    demand = Demand(60, lambda: moment)
    for _ in range(30):
        demand.begin()
    for _ in range(29):
        demand.end()
    assert demand.per_minute() == 30
    assert (demand.take_peak(), demand.take_peak()) == (30, 1)
    moment += 59
    demand.begin()
    assert demand.per_minute() == 31
    moment += 2
    assert demand.per_minute() == 1
    moment += 60
    assert demand.per_minute() == 0
    assert demand.in_flight == 2
