"""AWS Lambda's Runtime API, version 2018-06-01, for one worker on a loopback port of its own.

Source: AWS Lambda developer guide, *Using the Lambda runtime API for custom runtimes*. asyncio
sets TCP_NODELAY on its connections; without it Nagle's algorithm costs 40 ms an invocation.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httptools

from contracts import LAMBDA_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_ROOT = "/2018-06-01/runtime"
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event, as JSON, for the function that was called by that ARN."""

    request_id: str
    event: bytes
    function_arn: str
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the worker answered: the function's result, or its error as JSON.

    Attributes:
        payload: JSON; what lies beyond Lambda's limit was dropped.
        failed: the function raised, or could not be loaded.
        size: the answer's bytes, dropped ones included.
    """

    payload: bytes
    failed: bool
    size: int


class RuntimeApi:
    """Hands invocations to one worker, one at a time, and takes its answers.

    Args:
        before_answer: called when an answer has arrived and before the worker may go on, so that
            whatever it printed until then can be told from what it prints for the next event.
    """

    def __init__(self, before_answer: Callable[[], None]) -> None:
        self._before_answer = before_answer
        self._server: asyncio.Server | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._invocation: Invocation | None = None
        self._deadline_ms = 0
        self._waiting: asyncio.Transport | None = None
        self._connections: set[asyncio.Transport] = set()

    async def listen(self) -> str:
        """Start to listen; the address for AWS_LAMBDA_RUNTIME_API."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    @property
    def ready(self) -> asyncio.Future[None]:
        """Done when the worker first asks for an event."""
        return self._ready

    @property
    def outcome(self) -> asyncio.Future[Outcome]:
        """The answer to the current invocation, or the reason why the function cannot load."""
        return self._outcome

    def send(self, invocation: Invocation, deadline_ms: int) -> None:
        """Give the worker its next event, now or as soon as it asks.

        Args:
            invocation: the event.
            deadline_ms: when the function times out, in milliseconds since the epoch.
        """
        self._outcome = asyncio.get_running_loop().create_future()
        self._invocation = invocation
        self._deadline_ms = deadline_ms
        if self._waiting is not None:
            self._deliver(self._waiting)

    def close(self) -> None:
        """Stop listening and drop the worker's connections."""
        if self._server is not None:
            self._server.close()
        for transport in self._connections:
            transport.abort()

    def opened(self, transport: asyncio.Transport) -> None:
        self._connections.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        self._connections.discard(transport)
        if self._waiting is transport:
            self._waiting = None

    def handle(self, request: _Request, transport: asyncio.Transport) -> None:
        """Answer one request of the worker."""
        route = (request.method, request.path.removeprefix(_ROOT))
        if route == ("GET", "/invocation/next"):
            self._next(transport)
        elif route == ("POST", "/init/error"):
            self._answer(transport, request, failed=True)
        elif request.method == "POST" and self._is_for_current(route[1]):
            self._answer(transport, request, failed=route[1].endswith("/error"))
        else:
            logger.warning("runtime API: unexpected %s %s", request.method, request.path)
            _respond(transport, 400, b'{"errorMessage":"unexpected request"}')

    def _is_for_current(self, path: str) -> bool:
        if self._invocation is None:
            return False
        own = f"/invocation/{self._invocation.request_id}"
        return path in (f"{own}/response", f"{own}/error")

    def _next(self, transport: asyncio.Transport) -> None:
        self._waiting = transport
        if not self._ready.done():
            self._ready.set_result(None)
        if self._invocation is not None:
            self._deliver(transport)

    def _deliver(self, transport: asyncio.Transport) -> None:
        invocation = self._invocation
        if invocation is None:
            return
        self._waiting = None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self._deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        }
        if invocation.trace_id:
            headers["Lambda-Runtime-Trace-Id"] = invocation.trace_id
        _respond(transport, 200, invocation.event, headers)

    def _answer(self, transport: asyncio.Transport, request: _Request, *, failed: bool) -> None:
        self._before_answer()
        self._invocation = None
        if not self._outcome.done():
            self._outcome.set_result(Outcome(bytes(request.body), failed, request.size))
        _respond(transport, 202, b'{"status":"OK"}')


class _Request:
    """One request as it arrives; a body beyond Lambda's limit is counted, not kept."""

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.body = bytearray()
        self.size = 0

    def take(self, part: bytes) -> None:
        self.size += len(part)
        if self.size <= LAMBDA_PAYLOAD_BYTES:
            self.body += part


class _Connection(asyncio.Protocol):
    """One connection of the worker, parsed by httptools."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._parser = httptools.HttpRequestParser(self)
        self._request = _Request()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._api.opened(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a worker that ends is seen by its process, not here
        self._api.closed(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            logger.warning("runtime API: a malformed request")
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._request = _Request()

    def on_url(self, url: bytes) -> None:
        self._request.path += url.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._request.take(body)

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method().decode("latin-1")
        self._api.handle(self._request, self._transport)


def _respond(
    transport: asyncio.Transport, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {**fields, **(headers or {})}.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} {_REASONS[status]}", *lines, "", ""])
    transport.write(head.encode("latin-1") + body)
