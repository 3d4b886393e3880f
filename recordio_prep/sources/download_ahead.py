"""Downloads run ahead of who reads them, a bounded way, and come in the order of the links."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

from anyio.from_thread import start_blocking_portal

from recordio_prep.sources.download import Downloader
from recordio_prep.sources.link_cache import Failed, Kept
from recordio_prep.sources.source import LeftOut
from recordio_prep.sources.transport import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordio_prep.sources.download_settings import DownloadSettings
    from recordio_prep.sources.link_cache import LinkCache, Outcome
    from recordio_prep.sources.link_table import Row

    Begun: TypeAlias = Outcome | LeftOut | Future[Outcome]


class Ahead:
    """Begins downloads before their turn.

    Args:
        begin: Starts the download of a link.
        cache: What is known without a download.
        settings: How far ahead, and how many bytes in all.
    """

    def __init__(
        self,
        begin: Callable[[str], Future[Outcome]],
        cache: LinkCache,
        settings: DownloadSettings,
    ) -> None:
        self._begin = begin
        self._cache = cache
        self._settings = settings
        self._under_way: WeakValueDictionary[str, Future[Outcome]] = WeakValueDictionary()
        self._bytes = 0

    def in_order(
        self, rows: Iterable[tuple[Row, LeftOut | None]]
    ) -> Iterator[tuple[Row, Outcome | LeftOut]]:
        """Each row with what became of it; those that are left out already pass through.

        Raises:
            OSError: the cache cannot be written to.
        """
        pending: deque[tuple[Row, Begun]] = deque()
        try:
            for row, left_out in rows:
                pending.append((row, left_out or self._started(row.link)))
                if len(pending) > self._settings.ahead:
                    yield self._finished(*pending.popleft())
            while pending:
                yield self._finished(*pending.popleft())
        finally:
            for _, begun in pending:
                if isinstance(begun, Future):
                    begun.cancel()

    def _started(self, link: str) -> Outcome | Future[Outcome]:
        known = self._over_limit() or self._cache.find(link)
        if known:
            return known
        future = self._under_way.get(link)  # the same link in another category
        if future is None:
            future = self._under_way[link] = self._begin(link)
        return future

    def _finished(self, row: Row, begun: Begun) -> tuple[Row, Outcome | LeftOut]:
        if isinstance(begun, LeftOut):
            return row, begun
        over = self._over_limit()
        if over and isinstance(begun, Future):
            begun.cancel()
        outcome = over or (begun.result() if isinstance(begun, Future) else begun)
        if isinstance(outcome, Kept):
            self._bytes += outcome.size
        return row, self._over_limit() or outcome

    def _over_limit(self) -> Failed | None:
        """The limit counts the photos in the order of their rows: the same ones in every run."""
        limit = self._settings.total_bytes
        if limit is None or self._bytes <= limit:
            return None
        return Failed(f"the photos up to here have {limit:,} bytes, as many as they may")


@contextlib.contextmanager
def downloads(cache: LinkCache, settings: DownloadSettings) -> Iterator[Ahead]:
    """Downloads in a thread of their own, which ends with the block.

    It is an event loop, so that an end, by whatever exception, is prompt: everything under way
    can be broken off at any point. The thread holds no program back that forgets to end the block.
    """
    with (
        start_blocking_portal(name="downloads") as portal,
        portal.wrap_async_context_manager(open_client(settings)) as client,
    ):
        downloader = Downloader(client, cache, settings)
        yield Ahead(lambda link: portal.start_task_soon(downloader.fetch, link), cache, settings)
