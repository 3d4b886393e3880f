"""The cloud's one door: each request goes to MiniStack, the SageMaker plane or a website."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ministack import app as ministack

from contracts import GATEWAY_PAYLOAD_BYTES
from infra.local import website
from infra.local.adapter import bucket_cors, gateway
from infra.local.visitors import acts_by_reading, is_foreign, is_known_host, is_own_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from infra.local.saving import StateSaver

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

PLANE_SERVICES = ("sagemaker", "application-autoscaling")
"""Services that the SageMaker plane answers, named as in a signature's scope."""

HEALTH_PATH = "/_snapshelf/health"
LOCALSTACK_HEALTH_PATH = "/_localstack/health"

_CREDENTIAL = re.compile(r"Credential=[^/,\s]+/\d+/[^/,\s]+/(?P<service>[^/,\s]+)/aws4_request")
_READING = ("GET", "HEAD", "OPTIONS")
_JSON = {"Content-Type": "application/json"}
_FOREIGN = b'{"message":"Forbidden: a foreign web page\'s origin"}'
_BY_READING = b'{"message":"Forbidden: Action by GET; send it by POST, as AWS\'s libraries do"}'
_STRANGE_HOST = (
    b'{"message":"Forbidden: the Host is no name of this machine; use localhost or an address"}'
)


class CloudApp:
    """The ASGI application of the whole cloud.

    Args:
        plane: the SageMaker plane's ASGI application.
        saver: is told of every request that may have changed MiniStack's state.
        health: what the health route answers, as JSON.
    """

    def __init__(self, plane: App, saver: StateSaver, health: Callable[[], dict[str, Any]]) -> None:
        self._plane = plane
        self._saver = saver
        self._health = health

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Route one ASGI connection."""
        if scope["type"] != "http":
            await ministack.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        host, path = headers.get("host", ""), scope["path"]
        bucket = website.bucket_of(host)
        api = ministack._parse_execute_api_url(host, path)  # noqa: SLF001
        if not is_known_host(host):
            await respond(send, 403, _JSON, _STRANGE_HOST)
        elif path in (HEALTH_PATH, LOCALSTACK_HEALTH_PATH):
            await respond(send, 200, _JSON, json.dumps(self._health()).encode())
        elif bucket is not None:
            status, fields, body = await website.answer(bucket, scope["method"], path, headers)
            await respond(send, status, fields, body, head=scope["method"] == "HEAD")
        elif api is not None:
            await self._gateway(api, headers, scope, receive, send)
        elif "origin" in headers:
            await self._for_page(headers, scope, receive, send)
        elif acts_by_reading(scope["method"], scope["query_string"]):
            await respond(send, 403, _JSON, _BY_READING)
        elif is_foreign(headers) and not _is_an_object(headers, scope):
            await respond(send, 403, _JSON, _FOREIGN)
        else:
            await self._for_program(headers, scope, receive, send)

    async def _for_program(
        self, headers: dict[str, str], scope: Message, receive: Receive, send: Send
    ) -> None:
        if signed_service(headers, scope["query_string"]) in PLANE_SERVICES:
            await self._plane(scope, receive, send)
        else:
            await ministack.app(scope, receive, send)
            if scope["method"] not in _READING:
                self._saver.changed(only_logs=_is_only_logged(headers, scope["path"]))

    async def _for_page(
        self, headers: dict[str, str], scope: Message, receive: Receive, send: Send
    ) -> None:
        """A page of another origin reaches what a bucket's CORS configuration lets it, no more."""
        method, path = scope["method"], scope["path"]
        target = bucket_cors.target_of(method, path, headers, scope["query_string"])
        if target is not None and method == "OPTIONS":
            await respond(send, *bucket_cors.preflight(target, headers))
            return
        cors = bucket_cors.allowed(target, method, headers) if target is not None else {}
        if not cors and not is_own_origin(headers["origin"]):
            await respond(send, 403, _JSON, _FOREIGN)
            return
        answer = send if target is None else bucket_cors.sending(send, cors)
        await self._for_program(headers, scope, receive, answer)

    async def _gateway(
        self,
        api: tuple[str, str, str],
        headers: dict[str, str],
        scope: Message,
        receive: Receive,
        send: Send,
    ) -> None:
        """API Gateway's limits on head and body, held before the body is in memory."""
        api_id, stage, _ = api
        too_large = gateway.head_too_large(scope)
        if too_large is not None:
            await respond(send, *too_large)
            return
        body = await _read(receive)
        if body is None:
            refusal = gateway.payload_too_large(api_id, stage, headers)
            if refusal is not None:
                await respond(send, *refusal)
                return
            body = b""  # no such stage: MiniStack's own answer
        await ministack.app(scope, _replay(body, receive), send)
        self._saver.changed(only_logs=True)


def signed_service(headers: dict[str, str], query_string: bytes) -> str | None:
    """The service in a SigV4 credential scope, of the header or of a presigned address."""
    credential = headers.get("authorization", "")
    if b"X-Amz-Credential" in query_string:
        values = parse_qs(query_string.decode("latin-1")).get("X-Amz-Credential", [""])
        credential = f"Credential={values[0]}"
    match = _CREDENTIAL.search(credential)
    return match["service"] if match else None


def _is_an_object(headers: dict[str, str], scope: Message) -> bool:
    """Whether it is one of S3's objects: a link to it in a letter or a foreign page leads there."""
    method, path, query = scope["method"], scope["path"], scope["query_string"]
    target = bucket_cors.target_of(method, path, headers, query)
    return method in ("GET", "HEAD") and target is not None and bool(target[1])


def _is_only_logged(headers: dict[str, str], path: str) -> bool:
    """Whether a request changes nothing but logs: PutLogEvents and Invoke come by the hundred."""
    return headers.get("x-amz-target", "").startswith("Logs_") or path.endswith("/invocations")


async def _read(receive: Receive) -> bytes | None:
    """A request's body; None beyond API Gateway's limit.

    What lies beyond is read on and dropped: a client that is still sending would see its connection
    break instead of the answer.
    """
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= GATEWAY_PAYLOAD_BYTES:
            body += part
        more = message.get("more_body", False)
    return bytes(body) if size <= GATEWAY_PAYLOAD_BYTES else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body that was read, then whatever follows it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def respond(
    send: Send, status: int, headers: dict[str, Any], body: bytes, *, head: bool = False
) -> None:
    """Send a whole ASGI response; a header may have several values."""
    fields = [
        (name.lower().encode("latin-1"), str(item).encode("latin-1"))
        for name, value in headers.items()
        if name.lower() != "content-length"
        for item in (value if isinstance(value, (list, tuple)) else [value])
    ]
    fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if head else body})
