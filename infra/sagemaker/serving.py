"""The processes behind an endpoint: started, watched, restarted, and chosen for each request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import shutil
import socket
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from contracts import ARTIFACT_FILE, EndpointError, SnapshelfError
from infra.images import SERVE
from infra.sagemaker.artifacts import unpack
from infra.sagemaker.connections import (
    ConnectionBroken,
    ContainerConnections,
    ContainerUnreachable,
)
from infra.sagemaker.containers import Container, ContainerSpec
from infra.sagemaker.documents import ENDPOINT
from infra.sagemaker.errors import ServiceUnavailable
from infra.sagemaker.instance_types import memory_limit
from infra.sagemaker.logs import ENDPOINT_GROUP, LogFollower, tail
from infra.sagemaker.object_store import S3Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

MAX_RESTART_DELAY = 30.0
SELECT_POLL = 0.02


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A production variant with what its model was when the endpoint was made or updated.

    Kept in the endpoint's document: it comes back after a restart even if its configuration and
    model have been deleted since, as an endpoint in AWS goes on without them.
    """

    name: str
    image: str
    artifact: str | None
    environment: dict[str, str]
    healthy_within: float | None
    weight: float
    instance_count: int
    instance_type: str = ""  # of an endpoint that was made before it was kept

    def as_document(self) -> dict[str, Any]:
        """For the endpoint's document; `VariantSpec(**document)` reads it."""
        return asdict(self)


class Instance:
    """One container of a variant, started again whenever it ends or no longer answers."""

    def __init__(self, context: PlaneContext, variant: Variant) -> None:
        self._context, self._variant = context, variant
        self._name = f"i-{secrets.token_hex(9)[:17]}"
        self._log = variant.folder / f"{self._name}.log"
        self._grace = context.timing.serving_stop
        self.connections = ContainerConnections(0)
        self.healthy = self._has_served = False
        self._doubted = asyncio.Event()
        self.in_flight = 0
        self.first_start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"{variant.spec.name}/{self._name}")

    async def stop(self, grace_seconds: float) -> None:
        """End the container, and with it the watch over it."""
        self._grace = grace_seconds
        self._task.cancel()
        await asyncio.wait({self._task})

    @contextlib.contextmanager
    def request(self) -> Iterator[ContainerConnections]:
        """Count a request as under way; gives the connections to the container."""
        self.in_flight += 1
        try:
            yield self.connections
        except ConnectionBroken:
            self._doubt()
            raise
        finally:
            self.in_flight -= 1

    def _doubt(self) -> None:
        """Take no request until the next ping, which is sent at once, has been answered.

        A process that is ending may close its connections before its port: it would take another
        request and lose that too.
        """
        self.healthy = False
        self._doubted.set()

    async def _run(self) -> None:
        group = ENDPOINT_GROUP.format(endpoint=self._variant.endpoint)
        stream = f"{self._variant.spec.name}/{self._name}"
        context = self._context
        follower = LogFollower(
            self._log, group, stream, context.logs, context.log_threads, rotate=True
        )
        async with follower.shipping(context.timing.log_interval):
            try:
                await self._keep_running()
            except Exception as error:
                if self.first_start.done():
                    raise
                self.first_start.set_exception(error)

    async def _keep_running(self) -> None:
        first_delay = delay = self._context.timing.restart_delay
        while True:
            self._has_served = False
            cause = await self._run_once()
            logger.warning("%s of %s %s", self._name, self._variant.endpoint, cause)
            if not self.first_start.done():
                raise EndpointError(self._start_failure(cause))
            delay = first_delay if self._has_served else min(2 * delay, MAX_RESTART_DELAY)
            await asyncio.sleep(delay)

    async def _run_once(self) -> str:
        """Start the container and watch it; why it had to end."""
        port = free_port()
        self.connections = ContainerConnections(port)
        try:
            container = Container(self._variant.container_spec(port), self._log)
        except (OSError, SnapshelfError) as error:
            return f"could not be started: {error}"
        ended = asyncio.create_task(container.wait())
        grace = self._context.timing.shutdown
        try:
            cause = await self._watch(ended)
        except asyncio.CancelledError:
            grace = self._grace
            raise
        finally:
            self.healthy = False
            self.connections.close()
            await container.stop(grace)
            ended.cancel()
        return cause

    async def _watch(self, ended: asyncio.Task[int]) -> str:
        """Ping the container until it ends or does not answer; sets `healthy` meanwhile."""
        timing, loop = self._context.timing, asyncio.get_running_loop()
        healthy_within = self._variant.spec.healthy_within or timing.healthy_within
        deadline, misses = loop.time() + healthy_within, 0
        while True:
            if await self._answers_ping():
                misses, self.healthy, self._has_served = 0, True, True
                if not self.first_start.done():
                    self.first_start.set_result(None)
            elif self._has_served:
                misses += 1
            if misses >= timing.hung_after:
                return f"gave no answer to {misses} pings in a row"
            if not self._has_served and loop.time() > deadline:
                return f"was not healthy within {healthy_within:g} s"
            pause = timing.ping_interval if self.healthy else timing.start_poll
            await self._pause(ended, pause)
            if ended.done():
                return f"ended with exit code {ended.result()}"

    async def _pause(self, ended: asyncio.Task[int], seconds: float) -> None:
        """Until the container ends, is doubted, or the time is over."""
        doubted = asyncio.create_task(self._doubted.wait())
        try:
            await asyncio.wait(
                {ended, doubted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            doubted.cancel()
            self._doubted.clear()

    async def _answers_ping(self) -> bool:
        try:
            async with asyncio.timeout(self._context.timing.ping):
                answer = await self.connections.request("GET", "/ping", {})
        except (TimeoutError, ContainerUnreachable, ConnectionBroken):
            return False
        return answer.status == HTTPStatus.OK

    def _start_failure(self, cause: str) -> str:
        name, lines = self._variant.spec.name, tail(self._log)
        return (
            f"The primary container for production variant {name} did not pass the ping health "
            f"check: it {cause}. Please check CloudWatch logs for this endpoint. Its last lines:\n"
            f"{lines}"
        )


class Variant:
    """A production variant: its model's files, and its instances."""

    def __init__(
        self, context: PlaneContext, spec: VariantSpec, *, endpoint: str, folder: Path
    ) -> None:
        self._context, self.spec, self.endpoint, self.folder = context, spec, endpoint, folder
        self._instances: list[Instance] = []

    async def start(self) -> None:
        """Fetch the model and start the instances; returns when all are healthy.

        Raises:
            SnapshelfError: no artifact, an unsafe one, or a container that does not get healthy.
        """
        await self._context.threads.run(self._fetch_model)
        self._instances = [Instance(self._context, self) for _ in range(self.spec.instance_count)]
        await asyncio.gather(*(instance.first_start for instance in self._instances))

    async def stop(self, grace_seconds: float) -> None:
        """End all instances."""
        await asyncio.gather(*(instance.stop(grace_seconds) for instance in self._instances))

    @property
    def healthy_count(self) -> int:
        """Instances that answer."""
        return sum(instance.healthy for instance in self._instances)

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

    def container_spec(self, port: int) -> ContainerSpec:
        """What to run; each container shares this machine's network, so each has its own port."""
        context = self._context
        environment = {
            **context.aws_environment(),
            **self.spec.environment,
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        argv = context.images.argv(self.spec.image, SERVE)
        limit = memory_limit(self.spec.instance_type)
        return ContainerSpec(argv, self.folder, environment, context.layout, limit)

    def _fetch_model(self) -> None:
        model = self.folder / "ml/model"
        model.mkdir(parents=True)
        if self.spec.artifact is not None:
            archive = self.folder / ARTIFACT_FILE
            self._context.objects.download(S3Location.parse(self.spec.artifact), archive)
            unpack(archive, model)
            archive.unlink()


class Deployment:
    """One generation of an endpoint: an update makes a new one beside it, then switches."""

    def __init__(self, context: PlaneContext, endpoint: str, specs: Sequence[VariantSpec]) -> None:
        self._context = context
        self._folder = context.work / ENDPOINT / f"{endpoint}-{secrets.token_hex(4)}"
        self.variants = {
            spec.name: Variant(context, spec, endpoint=endpoint, folder=self._folder / spec.name)
            for spec in specs
        }
        self._in_flight = 0

    async def start(self) -> None:
        """Start every variant; returns when all are healthy. See `Variant.start` for what fails."""
        starts = [asyncio.create_task(variant.start()) for variant in self.variants.values()]
        try:
            await asyncio.gather(*starts)
        finally:  # where one fails, the others are not to go on
            for start in starts:
                start.cancel()
            await asyncio.wait(starts)

    async def stop(self, grace_seconds: float) -> None:
        """End every container and remove their folders."""
        await asyncio.gather(*(one.stop(grace_seconds) for one in self.variants.values()))
        await self._context.threads.run(shutil.rmtree, self._folder, ignore_errors=True)

    async def drain(self) -> None:
        """Wait for the requests under way, as long as the longest may take."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._context.timing.invocation):
                while self._in_flight:  # noqa: ASYNC110 - a look every 20 ms is simple and enough
                    await asyncio.sleep(SELECT_POLL)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as under way, so that `drain` waits for it."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def select_variant(self) -> Variant:
        """A variant at random, by weight."""
        variants = list(self.variants.values())
        weights = [variant.spec.weight for variant in variants]
        return random.choices(variants, weights)[0]  # noqa: S311 - shares traffic, guards nothing


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
