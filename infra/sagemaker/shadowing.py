"""Shadow variants: they get a copy of the traffic, and nobody gets their answers."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from contracts import SnapshelfError
from infra.sagemaker.capture import exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.capture import DataCapture
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.forwarding import Forwarder
    from infra.sagemaker.variants import Variant

logger = logging.getLogger(__name__)

MAX_COPIES = 50
"""Under way at a time: a slow shadow must not fill the memory with photos."""


class Shadowing:
    """Copies requests to shadow variants in the background; a copy that fails harms nobody."""

    def __init__(self, context: PlaneContext, forwarder: Forwarder) -> None:
        self._context, self._forwarder = context, forwarder
        self._copies: set[asyncio.Task[None]] = set()
        self._left_out = 0

    def copy(
        self,
        deployment: Deployment,
        headers: Mapping[str, str],
        body: bytes,
        capture: DataCapture | None,
    ) -> None:
        """Begin to send a request to each shadow variant whose share it falls into.

        Args:
            deployment: what serves the request.
            headers: what containers are to see of the request's.
            body: of the request.
            capture: takes the answers, if this request is in its sample.
        """
        for shadow in deployment.shadows.values():
            if random.random() >= deployment.shadow_share(shadow):  # noqa: S311 - shares traffic
                continue
            if len(self._copies) >= MAX_COPIES:
                self._leave_out(shadow)
                continue
            task = asyncio.create_task(self._send(deployment, shadow, headers, body, capture))
            self._copies.add(task)
            task.add_done_callback(self._copies.discard)

    async def close(self) -> None:
        """Drop the copies under way."""
        for task in self._copies:
            task.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)
        if self._left_out:
            logger.warning("%d copies for shadow variants were left out in all", self._left_out)

    async def _send(
        self,
        deployment: Deployment,
        shadow: Variant,
        headers: Mapping[str, str],
        body: bytes,
        capture: DataCapture | None,
    ) -> None:
        seconds = self._context.timing.invocation
        try:
            with deployment.request():
                reply = await self._forwarder.forward(shadow, headers, body, seconds=seconds)
            self._forwarder.check(shadow, reply)
        except SnapshelfError as error:
            logger.debug("a copy for %s: %s", shadow.spec.name, error.message)
            return
        if capture:
            capture.offer(exchange(shadow.spec.name, headers, body, reply))

    def _leave_out(self, shadow: Variant) -> None:
        self._left_out += 1
        if self._left_out == 1:
            logger.warning(
                "shadow variant %s is too slow: copies are left out while %d are under way",
                shadow.spec.name,
                MAX_COPIES,
            )
