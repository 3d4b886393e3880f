"""One container of a variant: started, watched, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from contracts import EndpointError, SnapshelfError
from infra.sagemaker.connections import (
    ConnectionBroken,
    ContainerConnections,
    ContainerUnreachable,
)
from infra.sagemaker.containers import Container
from infra.sagemaker.logs import ENDPOINT_GROUP, LogFollower, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.sagemaker.containers import ContainerSpec
    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

MAX_RESTART_DELAY = 30.0
DRAIN_POLL = 0.02


@dataclass(frozen=True, slots=True)
class InstanceSetting:
    """What an instance knows of the variant that it belongs to.

    Attributes:
        endpoint: its name.
        variant: its name.
        folder: where the instance's log is written.
        healthy_within: seconds from a start to the first 200 from /ping.
        longest_request: seconds that a request may take.
        container_spec: what to run, given the port to listen on.
    """

    endpoint: str
    variant: str
    folder: Path
    healthy_within: float
    longest_request: float
    container_spec: Callable[[int], ContainerSpec]


class Instance:
    """One container of a variant, started again whenever it ends or no longer answers."""

    def __init__(self, context: PlaneContext, setting: InstanceSetting) -> None:
        self._context, self._setting = context, setting
        self._name = f"i-{secrets.token_hex(9)[:17]}"
        self._log = setting.folder / f"{self._name}.log"
        self._grace = context.timing.serving_stop
        self.connections = ContainerConnections(0)
        self.healthy = self._has_served = self._stopping = False
        self.session: int | None = None
        self._used_at = asyncio.get_running_loop().time()
        self._doubted = asyncio.Event()
        self.in_flight = 0
        self.first_start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"{setting.variant}/{self._name}")

    async def stop(self, grace_seconds: float) -> None:
        """End the container, and with it the watch over it; a second call waits for the first."""
        if not self._stopping:
            self._stopping, self._grace = True, grace_seconds
            self._fail_start(EndpointError(f"{self._name} was stopped before it was healthy."))
            self._task.cancel()
        await asyncio.wait({self._task})

    async def drain(self) -> None:
        """Wait for the requests under way, as long as the longest may take."""
        await self._drain(self._setting.longest_request)

    async def _drain(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.in_flight:  # noqa: ASYNC110 - a look every 20 ms is simple and enough
                    await asyncio.sleep(DRAIN_POLL)

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
            self._used_at = asyncio.get_running_loop().time()

    def idle_seconds(self) -> float:
        """Since the last request, or since it was healthy first; 0 while it starts or works."""
        if self.in_flight or not self.first_start.done():
            return 0
        return asyncio.get_running_loop().time() - self._used_at

    def _fail_start(self, error: Exception) -> None:
        if not self.first_start.done():
            self.first_start.set_exception(error)
            self.first_start.exception()  # seen, even if nobody waits for this start

    def _doubt(self) -> None:
        """Take no request until the next ping, which is sent at once, has been answered.

        A process that is ending may close its connections before its port: it would take another
        request and lose that too.
        """
        self.healthy = False
        self._doubted.set()

    async def _run(self) -> None:
        group = ENDPOINT_GROUP.format(endpoint=self._setting.endpoint)
        stream = f"{self._setting.variant}/{self._name}"
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
                self._fail_start(error)

    async def _keep_running(self) -> None:
        first_delay = delay = self._context.timing.restart_delay
        while True:
            self._has_served = False
            cause = await self._run_once()
            logger.warning("%s of %s %s", self._name, self._setting.endpoint, cause)
            if not self.first_start.done():
                raise EndpointError(self._start_failure(cause))
            delay = first_delay if self._has_served else min(2 * delay, MAX_RESTART_DELAY)
            await asyncio.sleep(delay)

    async def _run_once(self) -> str:
        """Start the container and watch it; why it had to end."""
        port = free_port()
        self.connections = ContainerConnections(port)
        try:
            container = Container(self._setting.container_spec(port), self._log)
            self.session = container.session
        except (OSError, SnapshelfError) as error:
            return f"could not be started: {error}"
        ended = asyncio.create_task(container.wait())
        grace = self._context.timing.shutdown
        try:
            cause = await self._watch(ended)
            self.healthy = False
            if not ended.done():  # one that answers no ping may still answer what it was asked
                await self._drain(self._context.timing.ping)
        except asyncio.CancelledError:
            grace = self._grace
            raise
        finally:
            self.healthy, self.session = False, None
            self.connections.close()
            await container.stop(grace)
            ended.cancel()
        return cause

    async def _watch(self, ended: asyncio.Task[int]) -> str:
        """Ping the container until it ends or does not answer; sets `healthy` meanwhile."""
        timing, loop = self._context.timing, asyncio.get_running_loop()
        healthy_within = self._setting.healthy_within
        deadline, misses = loop.time() + healthy_within, 0
        while True:
            if await self._answers_ping():
                misses, self.healthy, self._has_served = 0, True, True
                if not self.first_start.done():
                    self._used_at = loop.time()
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
        name, lines = self._setting.variant, tail(self._log)
        return (
            f"The primary container for production variant {name} did not pass the ping health "
            f"check: it {cause}. Please check CloudWatch logs for this endpoint. Its last lines:\n"
            f"{lines}"
        )


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
