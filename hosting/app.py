"""SageMaker's hosting contract over HTTP: /ping and /invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from contracts import DESCRIBE, SnapshelfError
from hosting import invocations

if TYPE_CHECKING:
    from starlette.requests import Request

    from hosting.model import Model


def create_app(model: Model, *, concurrency: int = 2) -> Starlette:
    """The container's HTTP application for one loaded model.

    GET /ping answers 200. POST /invocations takes one photo's bytes (PHOTO_TYPES, or any other
    image/*) and answers its probabilities, or with CustomAttributes DESCRIBE the model card.
    Client errors are 4xx with JSON `code`, `message`, `hint`.

    Args:
        model: loaded.
        concurrency: photos decoded and asked at once; the others wait. A photo within the limits
            may take 400 MB while it is decoded.
    """
    limiter = anyio.CapacityLimiter(concurrency)

    async def ping(_request: Request) -> Response:
        return Response(status_code=200)

    async def invoke(request: Request) -> Response:
        if request.headers.get("x-amzn-sagemaker-custom-attributes") == DESCRIBE:
            return _response(invocations.describe(model))
        invocations.check_type(request.headers.get("content-type", ""))
        photo = await _read_body(request)
        accept = request.headers.get("accept", "")
        return _response(
            await anyio.to_thread.run_sync(
                invocations.classify, model, photo, accept, limiter=limiter
            )
        )

    return Starlette(
        routes=[
            Route("/ping", ping),
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
