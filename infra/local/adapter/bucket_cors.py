"""A bucket's CORS configuration, by which S3 answers pages of other origins.

Stock MiniStack heeds it only where it checks signatures too, and lets every page read everything
otherwise. Source: Amazon S3 user guide, *Using cross-origin resource sharing (CORS)*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ministack import app as ministack
from ministack.services import s3

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

Answer = tuple[int, dict[str, Any], bytes]

_PREFIX = b"access-control-"


def target_of(
    method: str, path: str, headers: dict[str, str], query_string: bytes
) -> tuple[str, str] | None:
    """Bucket and key of a request to S3; None for any other, and where there is no such bucket."""
    query = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    if ministack.detect_service(method, path, headers, query) != "s3":
        return None
    host = headers.get("host", "")
    target: tuple[str, str] | None = ministack._s3_cors_target(host, path)  # noqa: SLF001
    return target


def preflight(target: tuple[str, str], headers: dict[str, str]) -> Answer:
    """The answer to a browser's OPTIONS."""
    answer: Answer = s3.cors_preflight(*target, headers)
    return answer


def allowed(target: tuple[str, str], method: str, headers: dict[str, str]) -> dict[str, str]:
    """The headers by which a page of the request's origin may read the answer; or none."""
    found: dict[str, str] = s3.cors_response_headers(target[0], method, headers)
    return found


def sending(send: Send, cors: dict[str, str]) -> Send:
    """`send` with exactly these CORS headers, in place of those that MiniStack adds."""

    async def replaced(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if not pair[0].lower().startswith(_PREFIX)]
            added = [(name.lower().encode(), value.encode()) for name, value in cors.items()]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return replaced
