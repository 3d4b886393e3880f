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
        self._task: asyncio.Task[None] | None = None
        self._logs_saved = time.monotonic()
        self._only_logs = True

    def start(self) -> None:
        """Begin to watch for changes."""
        self._task = asyncio.create_task(self._save_changes())

    async def stop(self) -> None:
        """End; a save under way is finished first."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def changed(self, *, only_logs: bool) -> None:
        """A request has changed something: only logs, or more than these."""
        self._only_logs = self._only_logs and only_logs
        self._changed.set()

    async def _save_changes(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(CHANGE_SECONDS)
            self._changed.clear()
            skip_services, self._only_logs = self._only_logs, True
            skip_logs = time.monotonic() - self._logs_saved < LOG_SECONDS
            if skip_services and skip_logs:
                await asyncio.sleep(LOG_SECONDS)
                skip_logs = False
            await asyncio.shield(self._save(services=not skip_services, logs=not skip_logs))

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
