"""SageMaker's hosting contract over HTTP, and /metrics."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts import DESCRIBE, ENDPOINT_PAYLOAD_BYTES, SnapshelfError
from hosting import invocations
from hosting.bodies import PACKED_TYPES, Form, check_size, check_type, read_body
from hosting.metrics import CONTENT_TYPE, Measured
from hosting.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request

    from hosting.bodies import Body
    from hosting.service import Service

PING, INVOCATIONS, PARAMETERS, METRICS = (
    "/ping",
    "/invocations",
    "/execution-parameters",
    "/metrics",
)

MOST_READ = 64
"""Requests whose bodies are held at once; those beyond wait unread, so that memory stays flat."""

READ_SECONDS = 60
"""A body must have come within it: InvokeEndpoint waits no longer for its answer."""


CLIENT_GONE = 499


class SlowBodyError(SnapshelfError):
    """The body did not come in time."""

    code = "request_timeout"
    status = 408


def create_app(
    service: Service,
    *,
    batch: bool = False,
    workers: int = 1,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """The container's HTTP application.

    GET /ping answers 200. POST /invocations takes a photo or many (`hosting.bodies.read_body`) and
    answers probabilities (`hosting.replies`), with CustomAttributes more (`hosting.options`) or the
    model card (DESCRIBE).
    Client errors are 4xx with JSON `code`, `message`, `hint`. GET /execution-parameters tells batch
    transform how many photos may come at once, GET /metrics Prometheus how it goes.

    Args:
        service: what answers.
        batch: whether answers are those of batch transform.
        workers: processes that serve the same, this one included.
        lifespan: what goes on beside requests.
    """
    reading = asyncio.Semaphore(MOST_READ)

    async def ping(_request: Request) -> Response:
        return Response(status_code=200)

    async def invoke(request: Request) -> Response:
        attributes = request.headers.get("x-amzn-sagemaker-custom-attributes", "")
        if attributes == DESCRIBE:
            return _response(invocations.describe(service.model))
        options = Options.parse(attributes)
        content_type = request.headers.get("content-type", "")
        kind = check_type(content_type)
        async with reading:
            data = await _read_all(request)
            body = await _unpack(data, content_type, in_thread=kind in PACKED_TYPES)
            accept = request.headers.get("accept", "")
            return await _answer(service, body, accept, options, batch=batch)

    async def execution_parameters(_request: Request) -> Response:
        return JSONResponse(
            {
                "MaxConcurrentTransforms": service.decoders * workers,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": ENDPOINT_PAYLOAD_BYTES // 1024**2,
            }
        )

    async def metrics(_request: Request) -> Response:
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)

    routes = [
        Route(INVOCATIONS, invoke, methods=["POST"]),
        Route(PING, ping),
        Route(PARAMETERS, execution_parameters),
        Route(METRICS, metrics),
    ]
    paths = tuple(route.path for route in routes)
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Measured, metrics=service.metrics, paths=paths)],
        exception_handlers={
            SnapshelfError: _refuse,
            ClientDisconnect: _give_up,
            Exception: _fail,
        },
    )


async def _read_all(request: Request) -> bytes:
    """The whole body, given up as soon as it exceeds what InvokeEndpoint carries."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                check_size(len(body))
    except TimeoutError:
        raise SlowBodyError(
            f"{len(body):,} bytes of the body came within {READ_SECONDS} s",
            hint="send it at once, or a smaller photo",
        ) from None
    return bytes(body)


async def _unpack(data: bytes, content_type: str, *, in_thread: bool) -> Body:
    """The photos of a body; those that are packed take their time, and others are not to wait."""
    if in_thread:
        return await asyncio.to_thread(read_body, data, content_type)
    return read_body(data, content_type)


async def _answer(
    service: Service, body: Body, accept: str, options: Options, *, batch: bool
) -> Response:
    start = time.perf_counter()
    model, outcomes = await service.answer(body.photos, options)
    milliseconds = invocations.since(start)

    def reply() -> invocations.Reply:
        return invocations.answer(
            model, body, outcomes, accept, options, milliseconds=milliseconds, batch=batch
        )

    many = body.form is not Form.ONE
    return _response(await asyncio.to_thread(reply) if many else reply())


async def _refuse(_request: Request, error: Any) -> Response:
    return _response(invocations.refusal(error))


async def _give_up(_request: Request, _error: Exception) -> Response:
    """Nobody is there to read it; the status is for the metrics, as nginx has it."""
    return Response(status_code=CLIENT_GONE)


async def _fail(_request: Request, error: Exception) -> Response:
    return _response(invocations.failure(error))


def _response(reply: invocations.Reply) -> Response:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)
