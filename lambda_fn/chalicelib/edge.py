"""Where Chalice meets the rest: errors become replies, and every reply has CORS, an id, a log line.

Chalice words its own errors as `{"Code", "Message"}` and leaves CORS headers off some; here they
all get the API's one shape.
"""

from __future__ import annotations

import functools
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from chalice import CORSConfig, Response

from . import logs, metrics, replies
from .contracts import SnapshelfError
from .errors import (
    EndpointBusyError,
    EndpointUnavailableError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from .photo_request import CONTENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalice.app import Request

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
_SERVER_FAULT = 500


def cors(origin: str) -> CORSConfig:
    """The CORS headers of every reply: pages from `origin` may read them, ids included."""
    return CORSConfig(
        allow_origin=origin,
        allow_headers=["Content-Type"],
        expose_headers=["Retry-After", "X-Request-Id"],
        max_age=600,
    )


def answering(view: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
    """Let a view raise SnapshelfErrors; Chalice would take them for bugs."""

    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Response:
        try:
            return _json(view(*args, **kwargs))
        except SnapshelfError as error:
            return error_response(error)

    return wrapped


def error_response(error: SnapshelfError) -> Response:
    """The reply that tells of `error`."""
    response = _json(replies.failure(error, request_id=logs.request_id.get()), error.status)
    if isinstance(error, EndpointBusyError | EndpointUnavailableError):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def middleware(cors_config: CORSConfig, function: str = "") -> Callable[..., Response]:
    """Chalice middleware around every request, also those that no view sees.

    Args:
        cors_config: what every reply carries.
        function: the Lambda function's name, under which CloudWatch keeps metrics; "" for none.
    """

    def around(request: Request, get_response: Callable[[Request], Response]) -> Response:
        started = time.perf_counter()
        token = logs.request_id.set(_request_id(request))
        try:
            response = _in_our_words(_respond(request, get_response))
            response.headers.update(cors_config.get_access_control_headers())
            response.headers["X-Request-Id"] = logs.request_id.get()
            _log(request, response, (time.perf_counter() - started) * 1000, function)
            return response
        finally:
            logs.request_id.reset(token)

    return around


def _request_id(request: Request) -> str:
    """API Gateway's id of the request, which its own logs carry too; `chalice local` gives none."""
    return str(request.context.get("requestId") or uuid.uuid4())


def _respond(request: Request, get_response: Callable[[Request], Response]) -> Response:
    try:
        return get_response(request)
    except Exception:
        logger.exception("no reply to %s %s", request.method, request.path)
        return error_response(_internal())


def _in_our_words(response: Response) -> Response:
    body = response.body
    if not (isinstance(body, dict) and "Code" in body):
        return response
    allowed = response.headers.get("Allow")
    error: SnapshelfError
    if allowed:
        error = MethodNotAllowedError(str(body["Message"]), hint=f"allowed here: {allowed}")
    elif response.status_code == MethodNotAllowedError.status:  # so Chalice answers unknown paths
        error = NotFoundError("no such path", hint="GET /health is one")
    elif response.status_code == UnsupportedMediaTypeError.status:
        hint = f"expected one of {', '.join(CONTENT_TYPES)}"
        error = UnsupportedMediaTypeError(str(body["Message"]), hint=hint)
    else:
        error = _internal()
    ours = error_response(error)
    if allowed:
        ours.headers["Allow"] = allowed
    return ours


def _internal() -> InternalError:
    return InternalError(
        "something went wrong here, not in your request",
        hint="try again; if it stays, tell the operator the request id",
    )


def _json(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(body=body, status_code=status, headers=headers)


def _log(request: Request, response: Response, total_ms: float, function: str) -> None:
    """One line a request, which is its metrics too: never the photo, only its size and type."""
    level = logging.ERROR if response.status_code >= _SERVER_FAULT else logging.INFO
    body = response.body if isinstance(response.body, dict) else {}
    fields = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "content_type": request.headers.get("content-type", ""),
        "bytes": len(request.raw_body),
        **{name: body[name] for name in _LOGGED if name in body},
    }
    measured = metrics.of_request(response.status_code, total_ms, body)
    if function:
        route = str(request.context.get("resourcePath") or "unknown")
        measured = metrics.embedded(measured, {"function": function, "route": route})
    logger.log(level, "answered", extra={"fields": {**fields, **measured}})


_LOGGED = ("code", "verdict", "model_version", "stored")
