"""Serverless variants: no process while nobody asks, and as many as are asked of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any

from contracts import EndpointError
from infra.memory import MEBIBYTE
from infra.sagemaker.errors import ThrottlingException, ValidationException
from infra.sagemaker.instance_types import bearable
from infra.sagemaker.variants import SELECT_POLL, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.sagemaker.instances import Instance

PAYLOAD_BYTES = 4 * 1024**2
"""Of one request (developer guide, *Serverless Inference*)."""

MEMORY_STEP = 1024
"""MemorySizeInMB is a multiple of it (developer guide)."""


def machine_processes() -> int:
    """Processes that work side by side here: one for each processor that this one may use."""
    return max(1, len(os.sched_getaffinity(0)))


class ServerlessVariant(Variant):
    """Runs a process for each request under way, up to what the machine bears, and none for none.

    Requests beyond the processes share them; beyond MaxConcurrency they are throttled. A process
    that has had nothing to do for a while ends, but for those of ProvisionedConcurrency.
    """

    _watch: asyncio.Task[None] | None = None
    _start_failure: str | None = None

    async def start(self) -> None:
        """Fetch the model and start one process, which proves that it serves; see `Variant`."""
        await self.fetch_model()
        await self.scale(max(1, self._provisioned))
        self._watch = asyncio.create_task(self._end_idle(), name=f"{self.endpoint}: idle")

    async def stop(self, grace_seconds: float) -> None:
        """End all instances, and start none any more."""
        if self._watch:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await super().stop(grace_seconds)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as under way.

        Raises:
            ThrottlingException: MaxConcurrency requests are under way already.
        """
        if self.demand.in_flight >= self._config["MaxConcurrency"]:
            raise ThrottlingException("Rate exceeded")
        with super().request():
            yield

    async def get_ready(self) -> None:
        """Start what the requests under way need; returns when a process can take this one.

        Raises:
            EndpointError: no process gets healthy.
        """
        self._grow(self.demand.in_flight)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._context.timing.serverless_start):
                while not self._can_take_a_request():
                    if self._start_failure is not None and not self.instance_count:
                        raise EndpointError(self._start_failure)
                    self._grow(1)
                    await asyncio.sleep(SELECT_POLL)
        if not self.healthy_count:
            raise EndpointError(
                "Unable to successfully stand up your model within the allotted "
                f"{self._context.timing.serverless_start:g} second timeout."
            )

    def _can_take_a_request(self) -> bool:
        """Whether a process is free, or all have started and must share."""
        healthy = [one for one in self._instances if one.healthy]
        starting = any(not one.first_start.done() for one in self._instances)
        return any(not one.in_flight for one in healthy) or (bool(healthy) and not starting)

    @property
    def _config(self) -> Mapping[str, Any]:
        return self.spec.serverless or {}

    def _memory_limit(self) -> int:
        return bearable(self._config["MemorySizeInMB"] * MEBIBYTE)

    @property
    def _provisioned(self) -> int:
        """Processes that stay."""
        wanted: int = self._config.get("ProvisionedConcurrency", 0)
        return min(wanted, machine_processes())

    def _grow(self, wanted: int) -> None:
        """Begin to start processes, without waiting for them."""
        for _ in range(min(wanted, machine_processes()) - self.instance_count):
            self._start_failure = None
            instance = self.begin_instance()
            instance.first_start.add_done_callback(functools.partial(self._seen, instance))

    def _seen(self, instance: Instance, start: asyncio.Future[None]) -> None:
        """A process that did not get healthy makes way for another try."""
        error = start.exception()
        if error is not None and instance in self._instances:
            self._instances.remove(instance)
            self._start_failure = str(error)

    async def _end_idle(self) -> None:
        timing = self._context.timing
        while True:
            await asyncio.sleep(min(1.0, timing.serverless_idle / 2))
            self._grow(self._provisioned)
            surplus = self.instance_count - self._provisioned
            idle = [one for one in self._instances if one.idle_seconds() > timing.serverless_idle]
            await asyncio.gather(*(self.remove(one) for one in idle[: max(0, surplus)]))


def check_serverless(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a ServerlessConfig that the service model allows and AWS does not.

    Raises:
        ValidationException: naming variant and member.
    """
    memory, most = config["MemorySizeInMB"], config["MaxConcurrency"]
    if memory % MEMORY_STEP:
        raise ValidationException(
            f"variant {name}: MemorySizeInMB {memory}: expected steps of {MEMORY_STEP}."
        )
    if (provisioned := config.get("ProvisionedConcurrency", 0)) > most:
        raise ValidationException(
            f"variant {name}: ProvisionedConcurrency {provisioned}: expected at most "
            f"MaxConcurrency, {most}."
        )
