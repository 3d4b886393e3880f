"""HTTP/1.1 to a container: framing, keep-alive, and every way in which it can end."""

import asyncio
import contextlib

import pytest

from infra.sagemaker import connections as connections_module
from infra.sagemaker.connections import (
    ConnectionBroken,
    ContainerConnections,
    ContainerUnreachable,
)
from infra.sagemaker.instances import free_port

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request on a connection with the next of these bytes; None closes it."""

    def __init__(self, *answers):
        self.answers, self.requests, self.connections = list(answers), [], 0
        self._serving = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.client = ContainerConnections(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_):
        self.client.close()
        self._server.close()
        await asyncio.gather(*self._serving)

    async def post(self, body=b"photo", **headers):
        """One request through the client."""
        return await self.client.request("POST", "/invocations", headers, body)

    async def _serve(self, reader, writer):
        self.connections += 1
        self._serving.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if b"close" in answer or b"HTTP/1.0" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_request_has_its_head_and_body():
    """Method, path, host, headers, length, body."""
    async with Server(OK) as server:
        reply = await server.post(accept="application/json")
    assert (reply.status, reply.headers, reply.body) == (200, {"content-length": "2"}, b"ok")
    ((head, body),) = server.requests
    assert head.startswith(b"POST /invocations HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\naccept: application/json\r\ncontent-length: 5\r\n\r\n" in head
    assert body == b"photo"


async def test_a_connection_is_used_again():
    """By the next request, not by one at the same time."""
    async with Server(OK, OK, OK, OK) as server:
        await server.post()
        await server.post()
        assert server.connections == 1
        await asyncio.gather(server.post(), server.post())
        assert server.connections == 2


async def test_an_idle_connection_is_not_used_for_ever(monkeypatch):
    """The server might be ending it at that moment."""
    monkeypatch.setattr(connections_module, "IDLE_SECONDS", 0.05)
    async with Server(OK, OK) as server:
        await server.post()
        await asyncio.sleep(0.1)
        await server.post()
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
)
async def test_every_framing_is_understood_and_the_next_request_works(answer, body):
    """Chunks, interim answers, no content, and bodies that end with the connection."""
    async with Server(answer, OK) as server:
        reply = await server.post()
        assert reply.body == body
        assert "x-a" not in reply.headers
        assert (await server.post()).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 close",
        b"SSH-2.0-close\r\n",
    ],
)
async def test_an_answer_that_is_not_whole_is_a_broken_connection(answer):
    """None at all, cut short, or not HTTP; the next request has a connection of its own."""
    async with Server(answer, OK) as server:
        with pytest.raises(ConnectionBroken):
            await server.post()
        assert (await server.post()).body == b"ok"


async def test_an_answer_that_comes_before_the_bodys_end_ends_the_sending():
    """A container that refuses a body of pieces by its first is not sent the rest."""
    sent, ended = [], asyncio.Event()

    async def pieces():
        for number in range(1000):
            sent.append(number)
            yield b"%03d" % number
            await asyncio.sleep(0.01)

    async def refuse(reader, writer):
        await reader.readuntil(b"000\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        client = ContainerConnections(server.sockets[0].getsockname()[1])
        reply = await client.request("POST", "/invocations", {}, pieces())
        await ended.wait()
    assert reply.status == 413
    assert len(sent) < 1000


async def test_a_port_where_nothing_listens_is_unreachable():
    """Told apart from a broken connection: nothing was sent."""
    with pytest.raises(ContainerUnreachable):
        await ContainerConnections(free_port()).request("GET", "/ping", {})


async def test_a_cancelled_request_does_not_leave_its_answer_to_the_next():
    """Its connection is closed."""
    async with Server(b"", OK) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.post(b"first")
        assert (await server.post(b"second")).body == b"ok"
        assert server.connections == 2


async def test_what_nobody_asked_for_ends_the_connection():
    """Bytes behind an answer would be taken for the next one's."""
    async with Server(OK + OK, OK) as server:
        assert (await server.post()).body == b"ok"
        await asyncio.sleep(0.05)
        assert (await server.post()).body == b"ok"
