"""A production variant: its model's files, and as many instances as are wanted at the moment."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from infra.images import SERVE
from infra.sagemaker.containers import ContainerSpec
from infra.sagemaker.demand import Demand
from infra.sagemaker.errors import ServiceUnavailable
from infra.sagemaker.instance_types import memory_limit
from infra.sagemaker.instances import Instance, InstanceSetting
from infra.sagemaker.model_containers import place_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.variant_spec import VariantSpec

SELECT_POLL = 0.02


class Variant:
    """A production variant."""

    def __init__(
        self,
        context: PlaneContext,
        spec: VariantSpec,
        *,
        endpoint: str,
        folder: Path,
        longest_request: float,
    ) -> None:
        self._context, self.spec, self.endpoint, self.folder = context, spec, endpoint, folder
        self.demand = Demand(context.timing.scaling_window)
        self._instances: list[Instance] = []
        self._leaving: set[Instance] = set()
        self._scaling = asyncio.Lock()
        self._setting = InstanceSetting(
            endpoint=endpoint,
            variant=spec.name,
            folder=folder,
            healthy_within=spec.healthy_within or context.timing.healthy_within,
            longest_request=longest_request,
            container_spec=self._container_spec,
        )

    async def start(self) -> None:
        """Fetch the model and start the instances; returns when all are healthy.

        Raises:
            SnapshelfError: no artifact, an unsafe one, or a container that does not get healthy.
        """
        await self.fetch_model()
        await self.scale(self.spec.instance_count)

    async def scale(self, count: int) -> None:
        """Run `count` instances: new ones are healthy, or old ones gone, when this returns.

        An instance that is to go gets no request any more, and ends when it has answered those
        that it has.

        Raises:
            SnapshelfError: a new one does not get healthy; as many run as before.
        """
        async with self._scaling:
            await self._scale_out(count - len(self._instances))
            await self._scale_in(len(self._instances) - count)

    def adopt(self, spec: VariantSpec) -> None:
        """Share the traffic, and be described, by another spec of the same model."""
        self.spec = spec

    @property
    def weight(self) -> float:
        """Share of the traffic among its endpoint's variants."""
        return self.spec.weight

    async def stop(self, grace_seconds: float) -> None:
        """End all instances."""
        everyone = [*self._instances, *self._leaving]
        await asyncio.gather(*(instance.stop(grace_seconds) for instance in everyone))

    @property
    def healthy_count(self) -> int:
        """Instances that answer."""
        return sum(instance.healthy for instance in self._instances)

    @property
    def instance_count(self) -> int:
        """Instances that run or start, without those that are leaving."""
        return len(self._instances)

    def sessions(self) -> list[int]:
        """The sessions that its running containers are in."""
        return [session for one in self._instances if (session := one.session)]

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as under way, from its arrival to its answer."""
        self.demand.begin()
        try:
            yield
        finally:
            self.demand.end()

    async def get_ready(self) -> None:
        """What has to come about before a request's time begins to run: nothing, here."""

    async def select(self) -> Instance:
        """The healthy instance with the fewest requests under way; waits for one if need be.

        Raises:
            ServiceUnavailable: none has become healthy in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._context.timing.wait_for_healthy
        while not (healthy := [one for one in self._instances if one.healthy]):
            if loop.time() > deadline:
                raise ServiceUnavailable(
                    f"No healthy container of variant {self.spec.name} of {self.endpoint}."
                )
            await asyncio.sleep(SELECT_POLL)
        return min(healthy, key=lambda instance: instance.in_flight)

    def another(self, than: Instance) -> Instance | None:
        """A healthy instance other than this one, if there is one now."""
        others = [one for one in self._instances if one.healthy and one is not than]
        return min(others, key=lambda instance: instance.in_flight, default=None)

    async def fetch_model(self) -> None:
        """Lay the model's files down, for all instances.

        Raises:
            SnapshelfError: no artifact, or an unsafe one.
        """
        await self._context.threads.run(place_model, self._context, self.spec.artifact, self.folder)

    def begin_instance(self) -> Instance:
        """Begin to start another instance, which serves once it is healthy."""
        instance = Instance(self._context, self._setting)
        self._instances.append(instance)
        return instance

    async def _scale_out(self, by: int) -> None:
        new = [self.begin_instance() for _ in range(by)]
        try:
            await asyncio.gather(*(instance.first_start for instance in new))
        except Exception:
            await asyncio.gather(*(self.remove(instance) for instance in new))
            raise

    async def _scale_in(self, by: int) -> None:
        """The unhealthy go first, then those with the fewest requests."""
        ranked = sorted(self._instances, key=lambda one: (one.healthy, one.in_flight))
        await asyncio.gather(*(self.remove(instance) for instance in ranked[: max(0, by)]))

    async def remove(self, instance: Instance) -> None:
        """Take an instance out of service without losing a request that it has."""
        self._instances.remove(instance)
        self._leaving.add(instance)
        timing, grace = self._context.timing, self._context.timing.shutdown
        try:
            await instance.drain()
            grace = timing.serving_stop if instance.healthy else timing.shutdown
        finally:
            await instance.stop(grace)
            self._leaving.discard(instance)

    def _container_spec(self, port: int) -> ContainerSpec:
        """What to run; each container shares this machine's network, so each has its own port."""
        context = self._context
        environment = {
            **context.aws_environment(),
            **self.spec.environment,
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        argv = context.images.argv(self.spec.image, SERVE)
        return ContainerSpec(argv, self.folder, environment, context.layout, self._memory_limit())

    def _memory_limit(self) -> int:
        """Bytes that each container may hold."""
        return memory_limit(self.spec.instance_type)
