"""One instance of a transform job: its container, the requests it gets, and its two logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.images import SERVE
from infra.sagemaker.connections import (
    ConnectionBroken,
    ContainerConnections,
    ContainerUnreachable,
    Reply,
)
from infra.sagemaker.containers import Container, ContainerSpec
from infra.sagemaker.documents import Document, now
from infra.sagemaker.instance_types import OUT_OF_MEMORY, memory_limit
from infra.sagemaker.instances import free_port
from infra.sagemaker.logs import TRANSFORM_GROUP, LogFollower, tail
from infra.sagemaker.transform_records import ALGORITHM_FAULT, CLIENT_FAULT, TransformError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext

DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_RETRIES = 3
"""ModelClientConfig where the request gives none (API reference)."""

RETRY_PAUSE = 0.1
"""Seconds before the first retry; doubles with each."""

NO_ANSWER = "Unable to get response from algorithm"
BAD_STATUS = "Bad HTTP status received from algorithm: {status}"
REFUSED = "ClientError: {status}"
"""The lines of AWS's own data log."""


class ContainerEnded(TransformError):  # noqa: N818 - a state, not a mistake
    """The container is gone: no object can be transformed any more."""


@dataclass(frozen=True, slots=True)
class ExecutionParameters:
    """What a container asks for at GET /execution-parameters; None for what it leaves open.

    Source: SageMaker developer guide, *Use Your Own Inference Code with Batch Transform*.
    """

    concurrent: int | None = None
    strategy: str | None = None
    megabytes: int | None = None


class TransformInstance:
    """A container that is asked by one job. Its methods belong on the event loop.

    Args:
        folder: of the job; all instances share its model, each has its own logs.
        name: e.g. `i-0`, in the names of its log streams.
    """

    def __init__(self, context: PlaneContext, job: Document, folder: Path, name: str) -> None:
        self._context, self._job, self._folder, self.name = context, job, folder, name
        self._log, self._data_log = folder / f"{name}.log", folder / f"{name}.data.log"
        client = job.get("ModelClientConfig", {})
        self._timeout = client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_SECONDS)
        self._retries = client.get("InvocationsMaxRetries", DEFAULT_RETRIES)
        self._connections = ContainerConnections(0)
        self._container: Container | None = None
        self.allow(1)

    def allow(self, concurrent: int) -> None:
        """Let the container have that many requests at once: each of them takes one of `slots`."""
        self.concurrent, self.slots = concurrent, asyncio.Semaphore(concurrent)

    def session(self) -> int | None:
        """Of the container's processes; None before it has been started."""
        return self._container.session if self._container else None

    @contextlib.asynccontextmanager
    async def logged(self) -> AsyncIterator[None]:
        """Ship both logs; their streams are named as AWS's (developer guide, *Log Groups*)."""
        stream = f"{self._job['TransformJobName']}/{self.name}-{int(now())}"
        sinks = self._context.logs, self._context.log_threads
        interval = self._context.timing.log_interval
        for path in (self._log, self._data_log):
            path.unlink(missing_ok=True)  # of a run before the plane's end, which has been shipped
        output = LogFollower(self._log, TRANSFORM_GROUP, stream, *sinks)
        data = LogFollower(self._data_log, TRANSFORM_GROUP, f"{stream}/data-log", *sinks)
        async with output.shipping(interval), data.shipping(interval):
            yield

    async def start(self) -> ExecutionParameters:
        """Start the container and wait until it is healthy; what it asks for.

        Raises:
            TransformError: it ended, or was not healthy in time.
        """
        port = free_port()
        self._connections = ContainerConnections(port)
        self._container = Container(self._spec(port), self._log)
        await self._until_healthy()
        return _execution_parameters(await self._get("/execution-parameters"))

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM the container, SIGKILL what is left after the grace."""
        self._connections.close()
        if self._container:
            await self._container.stop(grace_seconds)

    async def invoke(self, body: Callable[[], bytes | AsyncIterable[bytes]]) -> bytes:
        """The container's answer to one payload; asked again where it gives none or a 5xx.

        Args:
            body: makes the payload anew for every attempt, since one of pieces is used up.

        Raises:
            ContainerEnded: there is nothing left to ask.
            TransformError: a status other than 2xx, or no answer, in the last attempt.
        """
        pause = RETRY_PAUSE
        for attempt in range(self._retries + 1):
            try:
                return await self._ask(body())
            except TransformError as error:
                await self._check_running()
                if error.fault == CLIENT_FAULT or attempt == self._retries:
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError  # the last attempt returns or raises

    def note(self, message: str) -> None:
        """Write a line of the job's own into the data log."""
        moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        with self._data_log.open("a") as log:
            log.writelines(f"{moment}:[sagemaker logs]: {line}\n" for line in message.split("\n"))

    async def _ask(self, body: bytes | AsyncIterable[bytes]) -> bytes:
        headers = self._headers()
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._connections.request("POST", "/invocations", headers, body)
        except (TimeoutError, ContainerUnreachable, ConnectionBroken):
            raise TransformError(NO_ANSWER, fault=ALGORITHM_FAULT) from None
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return reply.body
        detail = reply.body.decode(errors="replace")
        if HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TransformError(REFUSED.format(status=reply.status), detail=detail)
        message = BAD_STATUS.format(status=reply.status)
        raise TransformError(message, fault=ALGORITHM_FAULT, detail=detail)

    def _headers(self) -> dict[str, str]:
        given = {
            "content-type": self._job["TransformInput"].get("ContentType"),
            "accept": self._job["TransformOutput"].get("Accept"),
        }
        return {name: value for name, value in given.items() if value}

    async def _until_healthy(self) -> None:
        timing, loop = self._context.timing, asyncio.get_running_loop()
        deadline = loop.time() + timing.healthy_within
        while not ((answer := await self._get("/ping")) and answer.status == HTTPStatus.OK):
            await self._check_running()
            if loop.time() > deadline:
                raise ContainerEnded(
                    "The container did not pass the ping health check within "
                    f"{timing.healthy_within:g} s; the end of its log:\n{tail(self._log)}",
                    fault=ALGORITHM_FAULT,
                )
            await asyncio.sleep(timing.start_poll)

    async def _get(self, path: str) -> Reply | None:
        """The answer to a short GET; None for none."""
        try:
            async with asyncio.timeout(self._context.timing.ping):
                return await self._connections.request("GET", path, {})
        except (TimeoutError, ContainerUnreachable, ConnectionBroken):
            return None

    async def _check_running(self) -> None:
        """Raise ContainerEnded if the container is gone; one that is ending gets a moment."""
        container = self._container
        assert container is not None  # noqa: S101 - the caller's order
        if container.exit_code is None:
            await asyncio.sleep(self._context.timing.start_poll)
        code = container.exit_code
        if container.out_of_memory:
            raise ContainerEnded(OUT_OF_MEMORY.removeprefix(f"{CLIENT_FAULT}: "))
        if code is not None:
            cause = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            raise ContainerEnded(
                f"the container ended with {cause}; the end of its log:\n{tail(self._log)}",
                fault=ALGORITHM_FAULT,
            )

    def _spec(self, port: int) -> ContainerSpec:
        context, model = self._context, self._job["ModelContainer"]
        environment = {
            **context.aws_environment(),
            **model.get("Environment", {}),
            **self._job.get("Environment", {}),
            **self._batch_environment(),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        argv = context.images.argv(model["Image"], SERVE)
        limit = memory_limit(self._job["TransformResources"]["InstanceType"])
        folder = self._folder / "container"
        return ContainerSpec(argv, folder, environment, context.layout, limit)

    def _batch_environment(self) -> dict[str, str]:
        """SageMaker's own variables: of the last three those that the request sets."""
        strategy = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
        given = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": self._job.get("MaxPayloadInMB"),
            "SAGEMAKER_BATCH_STRATEGY": strategy.get(self._job.get("BatchStrategy", "")),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": self._job.get("MaxConcurrentTransforms"),
        }
        named = {name: str(value) for name, value in given.items() if value is not None}
        return {"SAGEMAKER_BATCH": "true", **named}


def _execution_parameters(answer: Reply | None) -> ExecutionParameters:
    """What a container asks for; one that knows no such path, or answers no JSON, asks nothing.

    Raises:
        TransformError: a value of another type.
    """
    if answer is None or answer.status != HTTPStatus.OK:
        return ExecutionParameters()
    try:
        given: Any = json.loads(answer.body)
    except ValueError:
        return ExecutionParameters()
    if not isinstance(given, dict):
        return ExecutionParameters()
    concurrent, megabytes = given.get("MaxConcurrentTransforms"), given.get("MaxPayloadInMB")
    strategy = given.get("BatchStrategy")
    if not (
        isinstance(concurrent, int | None)
        and isinstance(megabytes, int | None)
        and strategy in (None, "MULTI_RECORD", "SINGLE_RECORD")
    ):
        raise ContainerEnded(
            f"GET /execution-parameters: {given}; expected whole numbers, and MULTI_RECORD or "
            "SINGLE_RECORD",
            fault=ALGORITHM_FAULT,
        )
    return ExecutionParameters(concurrent, strategy, megabytes)
