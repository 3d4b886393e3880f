"""One generation of an endpoint: its variants, and how requests are shared among them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from contracts import SnapshelfError
from infra.sagemaker.capture import DataCapture
from infra.sagemaker.documents import ENDPOINT
from infra.sagemaker.instances import DRAIN_POLL
from infra.sagemaker.serverless import ServerlessVariant
from infra.sagemaker.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployment_spec import DeploymentSpec
    from infra.sagemaker.variant_spec import VariantSpec


MAX_ASYNC_SECONDS = 3600
"""The most that InvocationTimeoutSeconds may ask for."""


class Deployment:
    """One generation of an endpoint: an update makes a new one beside it, then switches."""

    def __init__(self, context: PlaneContext, endpoint: str, spec: DeploymentSpec) -> None:
        self._context, self._endpoint, self.spec = context, endpoint, spec
        self._folder = context.work / ENDPOINT / f"{endpoint}-{secrets.token_hex(4)}"
        invocation = context.timing.invocation
        self.longest_request = invocation if spec.asynchronous is None else MAX_ASYNC_SECONDS
        self.variants = {one.name: self._variant(one) for one in spec.variants}
        self.shadows = {one.name: self._variant(one) for one in spec.shadows}
        self._in_flight = 0
        self.capture = self._begin_capture(spec.capture) if spec.capture else None

    async def start(self) -> None:
        """Start every variant; returns when all are healthy. See `Variant.start` for what fails."""
        starts = [asyncio.create_task(variant.start()) for variant in self.everyone.values()]
        try:
            await asyncio.gather(*starts)
        finally:  # where one fails, the others are not to go on
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)

    async def apply(self, spec: DeploymentSpec) -> None:
        """Take over other weights and instance counts of the same variants, all or none.

        New instances come first, then the traffic is shared anew, and last those that are too many
        go: there are enough at every moment.

        Raises:
            SnapshelfError: a new instance does not get healthy.
        """
        counted = [one for one in spec.everyone if one.serverless is None]
        present = {one.name: self.everyone[one.name].instance_count for one in counted}
        try:
            for one in counted:
                await self.everyone[one.name].scale(max(one.instance_count, present[one.name]))
        except SnapshelfError:
            for name, count in present.items():
                await self.everyone[name].scale(count)
            raise
        for one in spec.everyone:
            self.everyone[one.name].adopt(one)
        self.spec = spec
        scale_in = [self.everyone[one.name].scale(one.instance_count) for one in counted]
        await asyncio.gather(*scale_in)

    async def stop(self, grace_seconds: float) -> None:
        """End every container, write what was captured, and remove the folders."""
        await asyncio.gather(*(one.stop(grace_seconds) for one in self.everyone.values()))
        if self.capture:
            await self.capture.close()
        await self._context.threads.run(shutil.rmtree, self._folder, ignore_errors=True)

    async def drain(self, seconds: float) -> None:
        """Wait for the requests under way, but not longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._in_flight:  # noqa: ASYNC110 - a look every 20 ms is simple and enough
                    await asyncio.sleep(DRAIN_POLL)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as under way, so that `drain` waits for it."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    @property
    def everyone(self) -> dict[str, Variant]:
        """The variants that share the traffic and those that shadow it, by name."""
        return self.variants | self.shadows

    def shadow_share(self, shadow: Variant) -> float:
        """The share of all requests that a shadow variant gets copies of.

        Its weight beside the production variant's: 1 and 0.5 copy every second request (developer
        guide, *Shadow variants*).
        """
        total = sum(variant.weight for variant in self.variants.values())
        return min(1, shadow.weight / total)

    def sampling_capture(self) -> DataCapture | None:
        """Data capture, if the next request is in its sample."""
        return self.capture if self.capture and self.capture.samples() else None

    def select_variant(self) -> Variant:
        """A variant at random, by weight."""
        variants = list(self.variants.values())
        weights = [variant.weight for variant in variants]
        return random.choices(variants, weights)[0]  # noqa: S311 - shares traffic, guards nothing

    def _variant(self, spec: VariantSpec) -> Variant:
        kind = Variant if spec.serverless is None else ServerlessVariant
        return kind(
            self._context,
            spec,
            endpoint=self._endpoint,
            folder=self._folder / spec.name,
            longest_request=self.longest_request,
        )

    def _begin_capture(self, config: dict[str, Any]) -> DataCapture:
        folder = self._folder / "capture"
        return DataCapture(self._context, config, endpoint=self._endpoint, folder=folder)
