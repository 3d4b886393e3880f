"""SageMaker's hosting contract over HTTP: /ping, /invocations and /execution-parameters."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts import DESCRIBE, ENDPOINT_PAYLOAD_BYTES, SnapshelfError
from hosting import invocations

if TYPE_CHECKING:
    from starlette.requests import Request

    from hosting.model import Model


def create_app(model: Model, *, concurrency: int = 2, batch: bool = False) -> Starlette:
    """The container's HTTP application for one loaded model.

    GET /ping answers 200. POST /invocations takes one photo's bytes (PHOTO_TYPES, or any other
    image/*) and answers its probabilities, or with CustomAttributes DESCRIBE the model card.
    Client errors are 4xx with JSON `code`, `message`, `hint`. GET /execution-parameters tells batch
    transform how many photos may come at once.

    Args:
        model: loaded.
        concurrency: photos decoded and asked at once; the others wait. A photo within the limits
            may take 400 MB while it is decoded.
        batch: whether answers are those of batch transform.
    """
    limiter = anyio.CapacityLimiter(concurrency)
    answer = functools.partial(invocations.classify, batch=batch)

    async def ping(_request: Request) -> Response:
        return Response(status_code=200)

    async def invoke(request: Request) -> Response:
        if request.headers.get("x-amzn-sagemaker-custom-attributes") == DESCRIBE:
            return _response(invocations.describe(model))
        invocations.check_type(request.headers.get("content-type", ""))
        photo = await _read_body(request)
        accept = request.headers.get("accept", "")
        return _response(
            await anyio.to_thread.run_sync(answer, model, photo, accept, limiter=limiter)
        )

    async def execution_parameters(_request: Request) -> Response:
        return JSONResponse(
            {
                "MaxConcurrentTransforms": concurrency,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": ENDPOINT_PAYLOAD_BYTES // 1024**2,
            }
        )

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/execution-parameters", execution_parameters),
            Route("/invocations", invoke, methods=["POST"]),
        ],
        exception_handlers={SnapshelfError: _refuse, Exception: _fail},
    )


async def _read_body(request: Request) -> bytes:
    """The whole body, given up as soon as it exceeds what InvokeEndpoint carries."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        invocations.check_size(len(body))
    return bytes(body)


async def _refuse(_request: Request, error: Any) -> Response:
    return _response(invocations.refusal(error))


async def _fail(_request: Request, error: Exception) -> Response:
    return _response(invocations.failure(error))


def _response(reply: invocations.Reply) -> Response:
    return Response(reply.body, status_code=reply.status, media_type=reply.content_type)
