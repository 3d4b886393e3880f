"""Downloads one link's photo into the cache, or says why it cannot."""

from __future__ import annotations

import random
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio
import httpx

from recordio_prep.sources.addresses import ForbiddenAddressError, UnknownHostError
from recordio_prep.sources.link_cache import SIGNATURE_BYTES, Failed, Kept, is_photo
from recordio_prep.sources.transport import FAULTS, TIMEOUTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from recordio_prep.sources.download_settings import DownloadSettings
    from recordio_prep.sources.link_cache import LinkCache, Outcome

_LASTING = frozenset((HTTPStatus.NOT_FOUND, HTTPStatus.GONE))
_ENCODINGS = frozenset(("", "identity", "gzip", "x-gzip", "deflate"))
"""Of bodies, though none is asked for; others swell beyond measure from a single part."""


_REDIRECTED = "redirected to where no photo is fetched"
_REASON_LETTERS = 300
_DEFAULT_PORT, _MAX_PORT = 80, 65_535


class LinkError(Exception):
    """A link, or what it redirects to, is not followed; the text says why."""


_FINAL = (LinkError, ForbiddenAddressError, UnknownHostError, httpx.DecodingError)
"""Their texts say what is wrong, and a retry would not mend it."""


class Downloader:
    """Downloads links, several at the same time, in one event loop.

    Args:
        client: As `transport.open_client` gives it.
        cache: Gets the photos, and the failures that would last.
        settings: Limits.
    """

    def __init__(
        self, client: httpx.AsyncClient, cache: LinkCache, settings: DownloadSettings
    ) -> None:
        self._client = client
        self._cache = cache
        self._settings = settings
        self._slots = anyio.Semaphore(settings.workers)
        self._hosts: WeakValueDictionary[str, anyio.Semaphore] = WeakValueDictionary()

    async def fetch(self, link: str) -> Outcome:
        """Download the link's photo, with retries; a failure that would last is remembered.

        Raises:
            OSError: the cache cannot be written to.
        """
        try:
            url = checked_url(link)
        except LinkError as error:
            return Failed(str(error))
        host = self._hosts.setdefault(url.host, anyio.Semaphore(self._settings.per_host))
        async with host:
            outcome = await self._try(link, url)
        if isinstance(outcome, Kept):
            return outcome
        outcome = replace(outcome, reason=_plain(outcome.reason))
        if outcome.lasting:
            self._cache.fail(link, outcome.reason)
        return outcome

    async def _try(self, link: str, url: httpx.URL) -> Outcome:
        for retry in range(self._settings.retries):
            async with self._slots:  # not held during the pause: another host may use it
                outcome = await self._once(link, url)
            if not (isinstance(outcome, Failed) and outcome.again):
                return outcome
            await anyio.sleep(pause(retry, outcome.after, self._settings))
        async with self._slots:
            return await self._once(link, url)

    async def _once(self, link: str, url: httpx.URL) -> Outcome:
        try:
            with anyio.fail_after(self._settings.total_seconds):
                return await self._follow(link, url)
        except TimeoutError:
            return Failed(f"not done within {self._settings.total_seconds:g} s")
        except _FINAL as error:
            return Failed(str(error))
        except (httpx.RemoteProtocolError, UnicodeError) as error:
            # The client's own, which looks at a redirect before anyone follows it; the
            # connection's are among FAULTS.
            return Failed(f"{_REDIRECTED}: {error}")
        except (*TIMEOUTS, *FAULTS) as error:
            return _fault(error)

    async def _follow(self, link: str, url: httpx.URL) -> Outcome:
        for _ in range(self._settings.redirects + 1):
            async with self._client.stream("GET", url) as response:
                if not response.has_redirect_location:
                    return await self._receive(link, response)
                url = _redirected(response)
        return Failed(f"more than {self._settings.redirects} redirects")

    async def _receive(self, link: str, response: httpx.Response) -> Outcome:
        if response.status_code != HTTPStatus.OK:
            return _refusal(response)
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._settings.photo_bytes:
            return self._too_large()
        if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            return Failed(f"compressed as {response.headers['content-encoding']}")
        parts = response.aiter_bytes()
        start = await _start(parts)
        if not is_photo(start, _content_type(response)):
            return Failed(_not_a_photo(response, start), lasting=True)
        return await self._store(link, start, parts)

    async def _store(self, link: str, start: bytes, parts: AsyncIterator[bytes]) -> Outcome:
        size = len(start)
        with self._cache.arrival(link) as arrival:
            arrival.write(start)
            async for part in parts:
                size += len(part)
                if size > self._settings.photo_bytes:
                    break
                arrival.write(part)
            if size > self._settings.photo_bytes:
                return self._too_large()
            arrival.keep()
        return self._cache.photo(link) or Failed("someone took it out of the cache", again=True)

    def _too_large(self) -> Failed:
        return Failed(f"larger than {self._settings.photo_bytes:,} bytes", lasting=True)


def checked_url(link: str) -> httpx.URL:
    """The link as an address that may be asked for.

    Raises:
        LinkError: it is not an http or https address of some host, or holds credentials.
    """
    try:
        return _checked(httpx.URL(link))
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: a host that IDNA cannot decode
        raise LinkError(f"not a link: {error}") from error


def pause(retry: int, after: float | None, settings: DownloadSettings) -> float:
    """Seconds to wait before a retry, counted from 0.

    Exponential with jitter, so that downloads which failed together do not come back together;
    at least what the server asked for, but never more than `pause_seconds`.
    """
    backoff = settings.backoff_seconds * 2**retry * random.uniform(0.5, 1)  # noqa: S311 (no secret)
    wait: float = max(backoff, after or 0)
    return min(wait, settings.pause_seconds)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: seconds or a date), None if neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year or a time zone beyond C's integers
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _checked(url: httpx.URL) -> httpx.URL:
    if url.scheme not in {"http", "https"}:
        raise LinkError(f"{url.scheme or 'no'} scheme, expected http or https")
    if not url.host:
        raise LinkError("names no host")
    if url.userinfo:
        raise LinkError("holds a user name or password")
    if not 0 < (_DEFAULT_PORT if url.port is None else url.port) <= _MAX_PORT:
        raise LinkError(f"port {url.port}, expected 1 to {_MAX_PORT}")
    return url


def _redirected(response: httpx.Response) -> httpx.URL:
    try:
        return _checked(response.url.join(response.headers["location"]))
    except (httpx.InvalidURL, ValueError, LinkError) as error:
        raise LinkError(f"{_REDIRECTED}: {error}") from error


def _refusal(response: httpx.Response) -> Failed:
    status = response.status_code
    again = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failed(
        f"the server answers {status} {response.reason_phrase}".rstrip(),
        lasting=status in _LASTING,
        again=again,
        after=retry_after(response.headers.get("retry-after", ""), datetime.now(UTC)),
    )


async def _start(parts: AsyncIterator[bytes]) -> bytes:
    """As many parts as hold the signature; all of them if they are shorter."""
    start = b""
    async for part in parts:
        start += part
        if len(start) >= SIGNATURE_BYTES:
            break
    return start


def _content_type(response: httpx.Response) -> str:
    word: str = response.headers.get("content-type", "").partition(";")[0]
    return word.strip().lower()


def _not_a_photo(response: httpx.Response, start: bytes) -> str:
    if not start:
        return "an empty file"
    content_type = _content_type(response) or "no type given"
    readable = " that can be read" if content_type.startswith("image/") else ""
    return f"not a photo{readable} ({content_type})"


def _fault(error: Exception) -> Failed:
    if isinstance(error, TIMEOUTS):
        return Failed(f"the server does not answer ({type(error).__name__})", again=True)
    reason = str(error) or type(error).__name__
    return Failed(f"the connection failed: {reason}", again=not _untrusted(error))


def _plain(reason: str) -> str:
    """Without what a server might put into a terminal, or into a list, to deceive its reader."""
    letters = "".join(letter if letter.isprintable() else "?" for letter in reason)
    return letters[:_REASON_LETTERS]


def _untrusted(error: BaseException) -> bool:
    """Whether the server's certificate is at fault, which no retry mends."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
