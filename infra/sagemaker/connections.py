"""HTTP/1.1 to a container on loopback, over connections that are kept alive.

httpx took 2.2 ms and httpcore 1.6 ms of processor time a request here, this takes 0.1 ms; and the
processor is the one that the model runs on. The parser is uvicorn's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools

from contracts import EndpointError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

HOST = "127.0.0.1"

IDLE_SECONDS = 2.0
"""An idle connection ends before a server ends it (uvicorn's does after 5 s)."""


class ContainerUnreachable(EndpointError):  # noqa: N818 - a state, not a mistake
    """Nothing listens on the container's port: nothing was sent."""


class ConnectionBroken(EndpointError):  # noqa: N818 - a state, not a mistake
    """The connection ended before the whole answer had come."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A container's answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class ContainerConnections:
    """The connections to one container. Use it on one event loop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> Reply:
        """Send a request and await the answer; cancelling it closes its connection.

        A body of pieces is sent in HTTP's chunked encoding, each when the one before is on its way.

        Raises:
            ContainerUnreachable: nothing was sent.
            ConnectionBroken: the container ended, or does not speak HTTP/1.1.
        """
        connection = self._take_idle() or await self._connect()
        lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if isinstance(body, bytes):
            lines.append(f"content-length: {len(body)}")
        else:
            lines.append("transfer-encoding: chunked")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        reusable = False
        try:
            if isinstance(body, bytes):
                reply, reusable = await connection.ask(head, body)
            else:
                reply, reusable = await connection.ask_in_chunks(head, body)
        finally:
            if reusable:
                self._idle.append(connection)
            else:
                connection.close()
        return reply

    def close(self) -> None:
        """Close the idle connections; those in use are closed by whoever uses them."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _take_idle(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.answered_at < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, HOST, self._port)
        except OSError as error:
            raise ContainerUnreachable(f"{HOST}:{self._port}: {error}") from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection; one request at a time. httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self.answered_at = 0.0
        self.is_open = False
        self._answer: asyncio.Future[tuple[Reply, bool]] | None = None
        self._ends_with_connection = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport, self.is_open = transport, True

    def ask(self, head: bytes, body: bytes) -> asyncio.Future[tuple[Reply, bool]]:
        """Send a request; the answer, and whether the connection can be used again."""
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._transport.write(head)
        if body:
            self._transport.write(body)
        return self._answer

    async def ask_in_chunks(self, head: bytes, pieces: AsyncIterable[bytes]) -> tuple[Reply, bool]:
        """As `ask`; an answer that comes before the body's end ends the sending."""
        answer = self.ask(head, b"")
        async for piece in pieces:
            await self._writable.wait()
            if answer.done():
                return answer.result()[0], False
            if piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self._transport.write(b"0\r\n\r\n")
        return await answer

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP/1.1: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if exc is None and self._ends_with_connection:
            self._complete(reusable=False)
        self._fail(f"the connection ended: {exc or 'closed by the container'}")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        framed = self._headers.keys() & {"content-length", "transfer-encoding"}
        self._ends_with_connection = not framed

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        self._ends_with_connection = False
        if self._parser.get_status_code() < HTTPStatus.OK:  # 100 Continue: the answer follows
            self._headers.clear()
        else:
            self._complete(reusable=self._parser.should_keep_alive())

    def _complete(self, *, reusable: bool) -> None:
        self.answered_at = asyncio.get_running_loop().time()
        self._writable.set()
        if self._answer and not self._answer.done():
            status, body = self._parser.get_status_code(), b"".join(self._chunks)
            self._answer.set_result((Reply(status, self._headers, body), reusable))

    def _fail(self, cause: str) -> None:
        self._writable.set()
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionBroken(cause))
