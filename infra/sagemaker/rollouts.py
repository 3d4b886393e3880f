"""Blue/green updates: how the traffic goes over to a new deployment, and what takes it back."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.sagemaker.alarms import RINGING, AlarmError
from infra.sagemaker.documents import now
from infra.sagemaker.errors import ValidationException, not_implemented

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment

logger = logging.getLogger(__name__)

MAX_CANARY, MIN_STEP, MAX_STEP = 0.5, 0.1, 0.5
"""Shares of the capacity (API reference, TrafficRoutingConfig)."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A DeploymentConfig in figures; by default all at once, and no looking back.

    Attributes:
        shares: of the traffic that the new deployment gets, one after another, up to 1.
        wait: seconds that each of them is held.
        termination_wait: seconds that the old deployment stays when nobody asks it any more.
        most: seconds that all of it may take.
        alarms: that take the traffic back when they ring.
    """

    shares: tuple[float, ...] = (1.0,)
    wait: float = 0
    termination_wait: float = 0
    most: float = math.inf
    alarms: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: dict[str, Any] | None, instances: int) -> Rollout:
        """Read a DeploymentConfig for a deployment of so many instances.

        Raises:
            ValidationException: a size that AWS does not allow, or what is not offered.
        """
        if not config:
            return cls()
        if "RollingUpdatePolicy" in config:
            raise not_implemented("RollingUpdatePolicy", "give a BlueGreenUpdatePolicy")
        policy = config.get("BlueGreenUpdatePolicy", {})
        routing = policy.get("TrafficRoutingConfiguration", {})
        alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        return cls(
            shares=_shares(routing, max(1, instances)),
            wait=routing.get("WaitIntervalInSeconds", 0),
            termination_wait=policy.get("TerminationWaitInSeconds", 0),
            most=policy.get("MaximumExecutionTimeoutInSeconds", math.inf),
            alarms=tuple(alarm["AlarmName"] for alarm in alarms),
        )


class Shift:
    """The traffic on its way from one deployment to another."""

    def __init__(self, config_name: str, deployment: Deployment) -> None:
        self.config_name, self.deployment = config_name, deployment
        self.began = now()
        self.share = 0.0

    async def carry_out(self, context: PlaneContext, rollout: Rollout) -> str:
        """Raise the share step by step; why it was taken back, or nothing if all went well."""
        deadline = asyncio.get_running_loop().time() + rollout.most
        for share in rollout.shares:
            self.share = share
            if reason := await _hold(context, rollout, deadline):
                self.share = 0.0
                return f"{reason} All traffic is with the old fleet again."
        return ""


async def check_alarms(context: PlaneContext, rollout: Rollout) -> None:
    """Refuse alarms that CloudWatch does not have.

    Raises:
        ValidationException: naming them.
    """
    if rollout.alarms:
        try:
            known = await context.threads.run(context.alarms.states, rollout.alarms)
        except AlarmError as error:
            raise ValidationException(f"{error.message}.") from None
        if missing := [name for name in rollout.alarms if name not in known]:
            raise ValidationException(f"Could not find alarms: {', '.join(missing)}.")


async def _hold(context: PlaneContext, rollout: Rollout, deadline: float) -> str:
    """Wait as long as a share is held; at once why it must be taken back, if so."""
    loop = asyncio.get_running_loop()
    until = loop.time() + rollout.wait
    while not (reason := await _ringing(context, rollout.alarms)):
        if loop.time() > deadline:
            return f"The update took over {rollout.most:g} seconds."
        left = until - loop.time()
        if left <= 0:
            return ""
        await asyncio.sleep(min(left, context.timing.alarm_interval))
    return reason


async def _ringing(context: PlaneContext, alarms: tuple[str, ...]) -> str:
    """Which alarms ring, in words; CloudWatch's silence is none."""
    if not alarms:
        return ""
    try:
        states = await context.threads.run(context.alarms.states, alarms)
    except AlarmError as error:
        logger.warning("an update goes on unwatched: %s", error.message)
        return ""
    ringing = [name for name, state in states.items() if state == RINGING]
    return f"One or more alarms are in ALARM: {', '.join(ringing)}." if ringing else ""


def _shares(routing: dict[str, Any], instances: int) -> tuple[float, ...]:
    kind = routing.get("Type", "ALL_AT_ONCE")
    if kind == "ALL_AT_ONCE":
        return (1.0,)
    if kind == "CANARY":
        return (_share(routing, "CanarySize", instances, 0, MAX_CANARY), 1.0)
    step = _share(routing, "LinearStepSize", instances, MIN_STEP, MAX_STEP)
    count = math.ceil(round(1 / step, 6))
    return tuple(min(1.0, number * step) for number in range(1, count + 1))


def _share(
    routing: dict[str, Any], member: str, instances: int, least: float, most: float
) -> float:
    """A step's share of the traffic, given as a count of instances or a percentage."""
    size = routing.get(member)
    if size is None:
        raise ValidationException(f"{member} is required for Type {routing['Type']}.")
    total = 100 if size["Type"] == "CAPACITY_PERCENT" else instances
    share: float = size["Value"] / total
    if not least <= share <= most:
        raise ValidationException(
            f"{member} {size['Value']} of {total}: expected {least:.0%} to {most:.0%} of it."
        )
    return share
