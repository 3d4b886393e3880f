"""Automatic scaling: every so often each target's demand is set against its policies."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.sagemaker.deployment_spec import DeploymentSpec
from infra.sagemaker.documents import ENDPOINT, SCALABLE_TARGET, Document, now
from infra.sagemaker.scalable_targets import DIMENSION, NAMESPACE, target_name, variant_of
from infra.sagemaker.scaling_policies import Decision, Load, Situation, decide

if TYPE_CHECKING:
    from infra.sagemaker.async_inference import AsyncInference
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.variants import Variant

logger = logging.getLogger(__name__)

KEPT_ACTIVITIES = 50


class Scaler:
    """Changes instance counts by the way of UpdateEndpointWeightsAndCapacities, as AWS does."""

    def __init__(
        self, context: PlaneContext, live: LiveEndpoints, asynchronous: AsyncInference
    ) -> None:
        self._context, self._live, self._asynchronous = context, live, asynchronous
        self._times: dict[str, _Times] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="automatic scaling")

    async def close(self) -> None:
        """End."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._context.timing.scaling_interval)
            for target in self._context.store.all(SCALABLE_TARGET):
                try:
                    self._look_at(target)
                except Exception:
                    logger.exception("scaling of %s", target["ResourceId"])

    def _look_at(self, target: Document) -> None:
        endpoint, name = variant_of(target)
        document = self._context.store.get(ENDPOINT, endpoint)
        deployment = self._live.get(endpoint)
        if document is None:
            self._context.store.delete(SCALABLE_TARGET, target_name(endpoint, name))
        elif document["EndpointStatus"] == "InService" and deployment:
            self._end_activity(target, document)
            if variant := deployment.variants.get(name):
                self._scale(target, document, variant)

    def _scale(self, target: Document, document: Document, variant: Variant) -> None:
        configurations = [
            policy["TargetTrackingScalingPolicyConfiguration"]
            for policy in target["Policies"].values()
        ]
        load = Load(
            variant.demand.per_minute(),
            variant.demand.take_peak(),
            self._asynchronous.backlog(variant.endpoint),
        )
        decision = decide(configurations, load, self._situation(target, variant))
        if decision is None or _is_suspended(target, out=decision.count > variant.instance_count):
            return
        times = self._times[target["ResourceId"]]
        times.change = asyncio.get_running_loop().time()
        if decision.count > variant.instance_count:
            times.scale_out = times.change
        self._begin_activity(target, decision)
        spec = DeploymentSpec.from_document(document)
        changed = {variant.spec.name: {"instance_count": decision.count}}
        self._live.rescale(document, spec.scaled(changed))

    def _situation(self, target: Document, variant: Variant) -> Situation:
        moment = asyncio.get_running_loop().time()
        # A plane that has just started knows of no demand: it takes nothing away for a while.
        times = self._times.setdefault(target["ResourceId"], _Times(change=moment))
        return Situation(
            present=variant.instance_count,
            least=target["MinCapacity"],
            most=target["MaxCapacity"],
            since_scale_out=moment - times.scale_out,
            since_change=moment - times.change,
        )

    def _begin_activity(self, target: Document, decision: Decision) -> None:
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "ServiceNamespace": NAMESPACE,
            "ResourceId": target["ResourceId"],
            "ScalableDimension": DIMENSION,
            "Description": f"Setting desired instance count to {decision.count}.",
            "Cause": decision.cause,
            "StartTime": now(),
            "StatusCode": "InProgress",
        }
        target["Activities"] = [*target["Activities"], activity][-KEPT_ACTIVITIES:]
        self._put(target)

    def _end_activity(self, target: Document, document: Document) -> None:
        """The endpoint is in service again: with the count, or with the reason why not."""
        under_way = [one for one in target["Activities"] if one["StatusCode"] == "InProgress"]
        for activity in under_way:
            reason = document.get("FailureReason")
            activity["EndTime"] = document["LastModifiedTime"]
            activity["StatusCode"] = "Failed" if reason else "Successful"
            activity["StatusMessage"] = reason or activity["Description"].replace(
                "Setting", "Successfully set"
            )
        if under_way:
            self._put(target)

    def _put(self, target: Document) -> None:
        name = target_name(*variant_of(target))
        self._context.store.put(SCALABLE_TARGET, name, target)


@dataclass(slots=True)
class _Times:
    """Of the event loop's clock: when a target's variant was changed, and when added to, last."""

    change: float
    scale_out: float = -math.inf


def _is_suspended(target: Document, *, out: bool) -> bool:
    member = "DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"
    suspended: bool = target["SuspendedState"][member]
    return suspended
