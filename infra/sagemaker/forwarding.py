"""A request on its way to a healthy container of a variant, and its answer back."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from contracts import EndpointError
from infra.sagemaker.connections import ConnectionBroken, ContainerUnreachable, Reply
from infra.sagemaker.errors import ModelError
from infra.sagemaker.logs import ENDPOINT_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.instances import Instance
    from infra.sagemaker.variants import Variant

ORIGINAL_MESSAGE_CHARACTERS = 4096
CONNECT_AGAIN = 0.02

TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
NO_ANSWER = "Amazon SageMaker could not get a response from the {endpoint} endpoint."


class Forwarder:
    """Passes requests to containers, and observes how long they took and how they ended."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context

    async def forward(
        self, variant: Variant, headers: Mapping[str, str], body: bytes, *, seconds: float
    ) -> Reply:
        """The container's answer, whatever its status.

        Args:
            variant: one of its containers gets the request.
            headers: what the container is to see of the request's.
            body: of the request.
            seconds: that the answer may take, waiting for a restarted container included; the
                cold start of a serverless variant is not.

        Raises:
            ModelError: the container ended, or took too long.
            ServiceUnavailable: no container is healthy at the moment.
            ThrottlingException: a serverless variant has its MaxConcurrency of requests.
        """
        with variant.request():
            return await self._forward(variant, headers, body, seconds)

    async def _forward(
        self, variant: Variant, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        journey = _Journey()
        try:
            await variant.get_ready()
            async with asyncio.timeout(seconds):
                reply = await self._send(journey, variant, headers, body)
        except TimeoutError:
            raise self.model_error(variant.endpoint, 0, TIMED_OUT) from None
        except EndpointError as error:
            raise self.model_error(variant.endpoint, 0, error.message) from error
        else:
            journey.status = reply.status
            return reply
        finally:
            self._observe(variant, journey)

    def check(self, variant: Variant, reply: Reply) -> None:
        """Refuse an answer that is an error.

        Raises:
            ModelError: with the container's status and words.
        """
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            text = reply.body.decode(errors="replace")[:ORIGINAL_MESSAGE_CHARACTERS]
            raise self.model_error(variant.endpoint, reply.status, text)

    def model_error(self, endpoint: str, status: int, message: str) -> ModelError:
        """The error of a container's answer; status 0 where there was none."""
        group = ENDPOINT_GROUP.format(endpoint=endpoint)
        region, account = self._context.region, self._context.account
        arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
        return ModelError(status, message, region=region, arn=arn)

    async def _send(
        self, journey: _Journey, variant: Variant, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Send to a healthy container; if it ends meanwhile, to another that there is now."""
        while True:
            instance = await variant.select()
            try:
                return await journey.post(instance, headers, body)
            except ContainerUnreachable:  # nothing was sent; its end is noticed in a moment
                await asyncio.sleep(CONNECT_AGAIN)
            except ConnectionBroken:
                break
        try:
            if other := variant.another(instance):
                return await journey.post(other, headers, body)
        except (ContainerUnreachable, ConnectionBroken):
            pass
        raise self.model_error(variant.endpoint, 0, NO_ANSWER.format(endpoint=variant.endpoint))

    def _observe(self, variant: Variant, journey: _Journey) -> None:
        self._context.observations.invoked(
            variant.endpoint,
            variant.spec.name,
            status=journey.status,
            model_seconds=journey.model_seconds,
            total_seconds=journey.elapsed(),
            instances=variant.instance_count,
        )


class _Journey:
    """One request: how it ended, and where its time went."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.status = 0
        self.model_seconds = 0.0

    def elapsed(self) -> float:
        return self._loop.time() - self._began

    async def post(self, instance: Instance, headers: Mapping[str, str], body: bytes) -> Reply:
        sent = self.elapsed()
        try:
            with instance.request() as connections:
                return await connections.request("POST", "/invocations", headers, body)
        finally:
            self.model_seconds = self.elapsed() - sent
