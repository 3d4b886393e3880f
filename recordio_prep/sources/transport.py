"""An HTTP client that reaches public addresses only, keeps nothing and takes no hints."""

from __future__ import annotations

import functools
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpcore
import httpx

from recordio_prep.sources.addresses import CheckedBackend

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator

    from recordio_prep.sources.download_settings import DownloadSettings

_HEADERS = {
    "User-Agent": "Snapshelf",
    "Accept": "image/jpeg, image/png, image/webp, image/*;q=0.5, */*;q=0.1",
    "Accept-Encoding": "identity",
}

FAULTS = (httpx.TransportError, httpcore.NetworkError, httpcore.ProtocolError)
TIMEOUTS = (httpx.TimeoutException, httpcore.TimeoutException)
"""What a request may raise: the transport below leaves httpcore's errors as they are."""


def open_client(settings: DownloadSettings) -> httpx.AsyncClient:
    """A client for downloads; it follows no redirect by itself and keeps no cookie.

    Proxies, credentials (`.netrc`) and the like are not taken from the environment: behind a
    proxy nobody here could check which address a link leads to. `SSL_CERT_FILE` and
    `SSL_CERT_DIR` are, they say whom to trust.
    """
    return httpx.AsyncClient(
        transport=_Transport(settings),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers=_HEADERS,
        timeout=httpx.Timeout(settings.read_seconds, connect=settings.connect_seconds),
        follow_redirects=False,
        trust_env=False,
    )


@functools.cache
def _trusted_authorities() -> ssl.SSLContext:
    """Read once: it takes 50 ms."""
    return httpx.create_ssl_context()


class _Transport(httpx.AsyncBaseTransport):
    """httpx's own offers no way to say who connects; connections are kept for a host's name."""

    def __init__(self, settings: DownloadSettings) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trusted_authorities(),
            max_connections=settings.workers,
            keepalive_expiry=5,
            network_backend=CheckedBackend(allow_private=settings.allow_private),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream: AsyncIterable[bytes] = self._answer.stream  # type: ignore[assignment]
        async for part in stream:
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()
