"""MiniStack's state on disk within seconds of a change, so that a killed cloud comes back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from ministack import app as ministack
from ministack.core import persistence

logger = logging.getLogger(__name__)

CHANGE_SECONDS = 1.0
"""How long a change may wait; several within it are saved together."""

LOG_SECONDS = 15.0
"""The same for logs and metrics, which grow with every call and are saved whole."""

_LOGS = ("cloudwatch_logs", "cloudwatch")


class StateSaver:
    """Saves after changes; MiniStack itself saves once more when it stops.

    S3's objects need none of it: each is written to its file before its request is answered.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._services_changed = False
        self._logs_saved = time.monotonic()
        self._watch: asyncio.Task[None] | None = None
        self._save_under_way: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch for changes."""
        self._watch = asyncio.create_task(self._save_changes())

    async def stop(self) -> None:
        """End; a save under way is finished first."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._save_under_way is not None:
            await self._save_under_way

    def changed(self, *, only_logs: bool) -> None:
        """A request has changed something: only logs, or more than these."""
        self._services_changed = self._services_changed or not only_logs
        self._changed.set()

    async def _save_changes(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(CHANGE_SECONDS)
            logs = time.monotonic() - self._logs_saved > LOG_SECONDS
            if logs:  # until then there is something left to save
                self._changed.clear()
            services, self._services_changed = self._services_changed, False
            if services or logs:
                self._save_under_way = asyncio.create_task(self._save(services=services, logs=logs))
                await asyncio.shield(self._save_under_way)

    async def _save(self, *, services: bool, logs: bool) -> None:
        for name, get_state in ministack._build_persistence_save_dict().items():  # noqa: SLF001
            if not (logs if name in _LOGS else services):
                continue
            try:
                state = get_state()  # a copy, taken between two requests
            except Exception:
                logger.exception("the state of %s cannot be read", name)
                continue
            if state is not None:
                await asyncio.to_thread(persistence.save_state, name, state)
        if logs:
            self._logs_saved = time.monotonic()
