"""Target tracking: from what a variant is asked to how many instances it should have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.sagemaker.errors import not_implemented

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
BACKLOG = "ApproximateBacklogSizePerInstance"

DEFAULT_COOLDOWN = 300
"""Seconds, for SageMaker's variants (API reference, TargetTrackingScalingPolicyConfiguration)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a variant is asked at the moment.

    Attributes:
        per_minute: invocations.
        concurrent: the most requests at a time since the last look.
        backlog: asynchronous requests that wait or are under way.
    """

    per_minute: float
    concurrent: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What a variant has, and what it may be given.

    Attributes:
        present: instances that it has.
        least: MinCapacity.
        most: MaxCapacity.
        since_scale_out: seconds since instances were added last.
        since_change: seconds since instances were added or taken away last.
    """

    present: int
    least: int
    most: int
    since_scale_out: float
    since_change: float


@dataclass(frozen=True, slots=True)
class Decision:
    """How many instances there should be, and why."""

    count: int
    cause: str


def check_configuration(configuration: dict[str, Any]) -> None:
    """Refuse a metric that is not measured here.

    Raises:
        ValidationException: naming it.
    """
    metric = metric_of(configuration)
    if metric not in _MEASURES:
        raise not_implemented(f"The metric {metric}", f"measured are {', '.join(_MEASURES)}")


def metric_of(configuration: dict[str, Any]) -> str:
    """The name of the metric that a TargetTrackingScalingPolicyConfiguration tracks."""
    predefined = configuration.get("PredefinedMetricSpecification", {})
    custom = configuration.get("CustomizedMetricSpecification", {})
    name: str = predefined.get("PredefinedMetricType") or custom.get("MetricName", "(none)")
    return name


def decide(policies: Sequence[dict[str, Any]], load: Load, situation: Situation) -> Decision | None:
    """How many instances there should be; None where all is well or a cooldown is not over.

    The policy that wants most decides, so none takes instances away that another needs.

    Args:
        policies: TargetTrackingScalingPolicyConfigurations.
        load: what the variant is asked.
        situation: what it has.
    """
    if not policies:
        return None
    policy = max(policies, key=lambda one: wanted_by(one, load))
    count = min(max(wanted_by(policy, load), situation.least), situation.most)
    if count > situation.present:
        wait = policy.get("ScaleOutCooldown", DEFAULT_COOLDOWN) - situation.since_scale_out
    elif count < situation.present and not any(one.get("DisableScaleIn") for one in policies):
        cooldowns = [one.get("ScaleInCooldown", DEFAULT_COOLDOWN) for one in policies]
        wait = max(cooldowns) - situation.since_change
    else:
        return None
    return None if wait > 0 else Decision(count, _cause(policy, load))


def wanted_by(policy: dict[str, Any], load: Load) -> int:
    """Instances at which each has the policy's target, or a little less."""
    total, target = _MEASURES[metric_of(policy)](load), float(policy["TargetValue"])
    return math.ceil(round(total / target, 6))


def _cause(policy: dict[str, Any], load: Load) -> str:
    metric = metric_of(policy)
    total, target = _MEASURES[metric](load), policy["TargetValue"]
    return f"{metric}: {total:g} for all instances, target {target:g} for each"


_MEASURES: dict[str, Callable[[Load], float]] = {
    INVOCATIONS: lambda load: load.per_minute,
    CONCURRENCY: lambda load: load.concurrent,
    BACKLOG: lambda load: load.backlog,
}
