"""The Runtime API, driven by a client that speaks HTTP as a Lambda runtime does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from contracts import LAMBDA_PAYLOAD_BYTES
from infra.local.runtime_api import Invocation, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = "/2018-06-01/runtime"
Exchange = tuple[int, dict[str, str], bytes]


class Runtime:
    """A connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def ask(self, method: str, path: str, body: bytes = b"") -> Exchange:
        """One request and its whole answer."""
        head = f"{method} {ROOT}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        status = int((await self._reader.readline()).split()[1])
        headers = {}
        while line := (await self._reader.readline()).strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, await self._reader.readexactly(int(headers["content-length"]))


def driven(scenario: Callable[[RuntimeApi, Runtime], Awaitable[None]]) -> list[str]:
    """Run a scenario against a listening API; the calls of `before_answer`."""
    calls: list[str] = []

    async def run() -> None:
        api = RuntimeApi(lambda: calls.append("answered"))
        host, _, port = (await api.listen()).partition(":")
        runtime = Runtime(*await asyncio.open_connection(host, int(port)))
        try:
            await asyncio.wait_for(scenario(api, runtime), 10)
        finally:
            runtime.writer.close()
            api.close()

    asyncio.run(run())
    return calls


def test_an_event_reaches_the_runtime_and_its_answer_comes_back() -> None:
    """Next gives id, deadline and event, whether it or the event comes first."""

    async def scenario(api: RuntimeApi, runtime: Runtime) -> None:
        for n, early in enumerate((True, False)):
            invocation = Invocation(f"id-{n}", b'{"n":1}', "arn:f", "Root=1")
            if early:
                api.send(invocation, 1234)
            asked = asyncio.create_task(runtime.ask("GET", "/invocation/next"))
            if not early:
                await asyncio.sleep(0.05)
                assert not asked.done()
                api.send(invocation, 1234)
            status, headers, event = await asked
            assert (status, event) == (200, b'{"n":1}')
            assert headers["lambda-runtime-aws-request-id"] == f"id-{n}"
            assert headers["lambda-runtime-deadline-ms"] == "1234"
            assert headers["lambda-runtime-trace-id"] == "Root=1"
            status, _, _ = await runtime.ask("POST", f"/invocation/id-{n}/response", b"[1]")
            assert status == 202
            outcome = await api.outcome
            assert (outcome.payload, outcome.failed, outcome.size) == (b"[1]", False, 3)

    assert driven(scenario) == ["answered", "answered"]


def test_an_error_is_told_from_an_answer() -> None:
    """A posted error marks the outcome as failed."""

    async def scenario(api: RuntimeApi, runtime: Runtime) -> None:
        api.send(Invocation("a", b"1", "arn:f"), 0)
        await runtime.ask("GET", "/invocation/next")
        await runtime.ask("POST", "/invocation/a/error", b'{"errorType":"E"}')
        outcome = await api.outcome
        assert (outcome.payload, outcome.failed) == (b'{"errorType":"E"}', True)

    assert driven(scenario) == ["answered"]


def test_a_late_answer_to_another_event_is_refused() -> None:
    """An id that is not the current one never becomes the current outcome."""

    async def scenario(api: RuntimeApi, runtime: Runtime) -> None:
        api.send(Invocation("now", b"1", "arn:f"), 0)
        await runtime.ask("GET", "/invocation/next")
        assert (await runtime.ask("POST", "/invocation/before/response", b"9"))[0] == 400
        assert not api.outcome.done()

    assert driven(scenario) == []


def test_a_function_that_cannot_load_is_an_outcome_without_an_event() -> None:
    """init/error settles the outcome while the runtime was never ready."""

    async def scenario(api: RuntimeApi, runtime: Runtime) -> None:
        assert (await runtime.ask("POST", "/init/error", b"{}"))[0] == 202
        assert (await api.outcome).failed
        assert not api.ready.done()

    assert driven(scenario) == ["answered"]


def test_an_answer_beyond_the_limit_is_counted_not_kept() -> None:
    """The size tells what arrived; the memory holds no more than the limit."""

    async def scenario(api: RuntimeApi, runtime: Runtime) -> None:
        api.send(Invocation("a", b"1", "arn:f"), 0)
        await runtime.ask("GET", "/invocation/next")
        body = b"x" * (LAMBDA_PAYLOAD_BYTES + 1)
        await runtime.ask("POST", "/invocation/a/response", body)
        outcome = await api.outcome
        assert outcome.size == LAMBDA_PAYLOAD_BYTES + 1
        assert len(outcome.payload) <= LAMBDA_PAYLOAD_BYTES

    driven(scenario)
