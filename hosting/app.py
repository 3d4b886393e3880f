"""SageMaker's hosting contract over HTTP: /ping and /invocations."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts import DESCRIBE, ENDPOINT_PAYLOAD_BYTES, PHOTO_TYPES, SnapshelfError
from hosting.replies import encode

if TYPE_CHECKING:
    from starlette.requests import Request

    from hosting.model import Model

logger = logging.getLogger(__name__)


class ContentTypeError(SnapshelfError):
    """The body is of a type that this model does not read."""

    code = "unsupported_media_type"
    status = 415


class PayloadError(SnapshelfError):
    """The body is larger than InvokeEndpoint carries."""

    code = "payload_too_large"
    status = 413


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

    async def invocations(request: Request) -> Response:
        if request.headers.get("x-amzn-sagemaker-custom-attributes") == DESCRIBE:
            return JSONResponse(model.card)
        _check_type(request.headers.get("content-type", ""))
        photo = await _read_body(request)
        start = time.perf_counter()
        answer = await anyio.to_thread.run_sync(model.answer, photo, limiter=limiter)
        milliseconds = (time.perf_counter() - start) * 1000
        accept = request.headers.get("accept", "")
        content_type, body = encode(model, answer, accept, milliseconds=milliseconds)
        return Response(body, media_type=content_type)

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/invocations", invocations, methods=["POST"]),
        ],
        exception_handlers={SnapshelfError: _refuse, Exception: _fail},
    )


def _check_type(header: str) -> None:
    name = header.partition(";")[0].strip().lower()
    if name not in PHOTO_TYPES and not name.startswith("image/"):
        raise ContentTypeError(
            f"Content-Type: {header or '(none)'}: not read here",
            hint=f"send a photo's bytes as {', '.join(PHOTO_TYPES)}",
        )


async def _read_body(request: Request) -> bytes:
    """The whole body, given up as soon as it exceeds what InvokeEndpoint carries."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > ENDPOINT_PAYLOAD_BYTES:
            raise PayloadError(
                f"the body exceeds {ENDPOINT_PAYLOAD_BYTES:,} bytes", hint="send a smaller photo"
            )
    return bytes(body)


async def _refuse(_request: Request, error: Any) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # not the client's fault
        logger.error(error.message)
    return JSONResponse(
        {"code": error.code, "message": error.message, "hint": error.hint},
        status_code=error.status,
    )


async def _fail(_request: Request, error: Exception) -> Response:
    logger.error("prediction failed", exc_info=error)
    return JSONResponse(
        {"code": "internal", "message": "the prediction failed", "hint": "see the endpoint's log"},
        status_code=500,
    )
