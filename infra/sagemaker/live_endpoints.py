"""The deployments behind the endpoints: brought up, switched, rescaled and taken down."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
from typing import TYPE_CHECKING, Any

from contracts import SnapshelfError
from infra.sagemaker.deployment_spec import DeploymentSpec
from infra.sagemaker.deployments import Deployment
from infra.sagemaker.documents import ENDPOINT, Document, now
from infra.sagemaker.errors import ServiceUnavailable, ValidationError
from infra.sagemaker.rollouts import Shift
from infra.sagemaker.variants import SELECT_POLL

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.rollouts import Rollout

logger = logging.getLogger(__name__)

FAILURE_CHARACTERS = 1024
"""FailureReason's length in the service model."""

RESTORING = "SystemUpdating"
"""AWS's status for an endpoint that is being maintained; here: the plane has been restarted."""


class LiveEndpoints:
    """What serves at the moment, by endpoint; each change runs in a task of its own.

    The endpoint's document says what is wanted, the deployment what there is.
    """

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._live: dict[str, Deployment] = {}
        self._shifts: dict[str, Shift] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self) -> None:
        """Before the first request: what ran before the plane's end is to be started again."""
        shutil.rmtree(self._context.work / ENDPOINT, ignore_errors=True)
        for document in self._context.store.all(ENDPOINT):
            if document["EndpointStatus"] == "Deleting":
                self._context.store.delete(ENDPOINT, document["EndpointName"])
            elif document["EndpointStatus"] != "Failed":
                self.set_status(document, RESTORING)

    async def restore(self) -> None:
        """Start again the endpoints that `prepare` found."""
        for document in self._context.store.all(ENDPOINT):
            if document["EndpointStatus"] == RESTORING:
                self.bring_up(document)

    async def close(self) -> None:
        """End every container; the documents stay, and `prepare` finds them."""
        for task in self._tasks:
            task.cancel()
        grace = self._context.timing.shutdown
        deployments = [*self._live.values(), *(one.deployment for one in self._shifts.values())]
        stops = [deployment.stop(grace) for deployment in deployments]
        await asyncio.gather(*self._tasks, *stops, return_exceptions=True)

    def get(self, name: str) -> Deployment | None:
        """What serves an endpoint at this moment; during an update, what served it before."""
        return self._live.get(name)

    def shift(self, name: str) -> Shift | None:
        """The update that is taking an endpoint's traffic over."""
        return self._shifts.get(name)

    def sessions(self) -> dict[tuple[str, str], list[int]]:
        """The sessions of the running containers, by endpoint and variant."""
        return {
            (endpoint, name): variant.sessions()
            for endpoint, deployment in self._live.items()
            for name, variant in deployment.everyone.items()
        }

    async def find(self, name: str) -> Deployment:
        """What serves an endpoint, for the runtime API; waits for one that is being restored.

        Raises:
            ValidationError: there is no such endpoint, or it is not in service.
            ServiceUnavailable: the plane has been restarted and the endpoint is not back in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._context.timing.wait_for_healthy
        while name not in self._live and self.status(name) == RESTORING:
            if loop.time() > deadline:
                raise ServiceUnavailable(f"Endpoint {name} is being started again.")
            await asyncio.sleep(SELECT_POLL)
        if (deployment := self._live.get(name)) is None:
            status = self.status(name)
            state = "not found" if status is None else f"is not InService but {status}"
            raise ValidationError(f"Endpoint {name} of account {self._context.account} {state}.")
        shift = self._shifts.get(name)
        if shift and random.random() < shift.share:  # noqa: S311 - shares traffic, guards nothing
            return shift.deployment
        return deployment

    def status(self, name: str) -> str | None:
        """EndpointStatus; None if there is no such endpoint."""
        document = self._context.store.get(ENDPOINT, name)
        return None if document is None else document["EndpointStatus"]

    def set_status(self, document: Document, status: str, reason: str = "") -> None:
        """Store the document with a status, and why if that is not what was asked for."""
        document["EndpointStatus"], document["LastModifiedTime"] = status, now()
        document.pop("FailureReason", None)
        if reason:
            document["FailureReason"] = reason[:FAILURE_CHARACTERS]
        self._context.store.put(ENDPOINT, document["EndpointName"], document)

    def bring_up(self, document: Document) -> None:
        """Begin to start an endpoint's deployment, as its document describes it."""
        self._begin(self._bring_up(document))

    def roll_over(
        self, document: Document, config: str, spec: DeploymentSpec, rollout: Rollout
    ) -> None:
        """Begin to start another deployment beside the present one, then to switch to it."""
        self.set_status(document, "Updating")
        self._begin(self._roll_over(document, config, spec, rollout))

    def rescale(self, document: Document, spec: DeploymentSpec) -> None:
        """Begin to give the present deployment other weights and instance counts."""
        former = DeploymentSpec.from_document(document)
        spec.write_to(document)
        self.set_status(document, "Updating")
        self._begin(self._rescale(document, former, spec))

    def tear_down(self, document: Document) -> None:
        """Begin to end a deployment; the document goes with the last container."""
        self.set_status(document, "Deleting")
        self._begin(self._tear_down(document))

    async def _bring_up(self, document: Document) -> None:
        name = document["EndpointName"]
        deployment, reason = await self._start(name, DeploymentSpec.from_document(document))
        if deployment is None:
            self.set_status(document, "Failed", reason)
        else:
            self._live[name] = deployment
            self.set_status(document, "InService")

    async def _roll_over(
        self, document: Document, config: str, spec: DeploymentSpec, rollout: Rollout
    ) -> None:
        """All requests are answered meanwhile: by the old deployment, then by the new one."""
        name = document["EndpointName"]
        deployment, reason = await self._start(name, spec)
        if deployment is None:
            self.set_status(document, "InService", reason)
            return
        shift = self._shifts[name] = Shift(config, deployment)
        reason = await shift.carry_out(self._context, rollout)
        if not reason:
            deployment, self._live[name] = self._live[name], deployment
            document["EndpointConfigName"] = config
            spec.write_to(document)
        del self._shifts[name]
        self.set_status(document, "InService", reason)
        await self._retire(deployment, deployment.longest_request, rollout.termination_wait)

    async def _rescale(
        self, document: Document, former: DeploymentSpec, spec: DeploymentSpec
    ) -> None:
        """Where new instances do not get healthy, all is as it was, and the reason is told."""
        deployment = self._live[document["EndpointName"]]
        reason = await self._attempt(deployment.apply(spec))
        if reason:
            former.write_to(document)
        self.set_status(document, "InService", reason)

    async def _tear_down(self, document: Document) -> None:
        name = document["EndpointName"]
        if deployment := self._live.pop(name, None):
            await self._retire(deployment, self._context.timing.invocation)
        self._context.store.delete(ENDPOINT, name)

    async def _retire(self, deployment: Deployment, seconds: float, wait: float = 0) -> None:
        """Let what is under way end, then the containers; at once if the plane stops meanwhile."""
        grace = self._context.timing.shutdown
        try:
            await asyncio.sleep(wait)
            await deployment.drain(seconds)
            grace = self._context.timing.serving_stop
        finally:
            await deployment.stop(grace)

    async def _start(self, name: str, spec: DeploymentSpec) -> tuple[Deployment | None, str]:
        """A deployment in which all is healthy, or None and why not."""
        deployment = Deployment(self._context, name, spec)
        try:
            reason = await self._attempt(deployment.start())
        except asyncio.CancelledError:
            await deployment.stop(self._context.timing.shutdown)
            raise
        if reason:
            await deployment.stop(self._context.timing.shutdown)
            return None, reason
        return deployment, ""

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> str:
        """Why it failed, in words for a FailureReason; empty if it did not."""
        try:
            await work
        except SnapshelfError as error:
            return error.message
        except Exception:
            logger.exception("an endpoint's change")
            return "Request to service failed: see the local cloud's own log."
        return ""

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
