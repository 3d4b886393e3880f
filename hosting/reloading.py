"""Another artifact in the model's folder goes into service without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from contracts import SnapshelfError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hosting.model import Model
    from hosting.service import Service

logger = logging.getLogger(__name__)

REPLACED, REFUSED = "replaced", "refused"


class Watch:
    """Tells when the model's folder holds another artifact than before, and holds still.

    Files are told by name, size, time and inode, so that replacing the folder, or a file of it, or
    a link's target are all noticed. While they still change nothing is told: an artifact that is
    being copied is none yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = self._seen = self._look()

    def accept(self) -> None:
        """What lies there now is known, however still it holds."""
        self._known = self._seen = self._look()

    def changed(self) -> bool:
        """Whether there is another artifact since the last time that there was, or the start."""
        found = self._look()
        settled, self._seen = found == self._seen, found
        if not settled or found == self._known:
            return False
        self._known = found
        return True

    def _look(self) -> frozenset[tuple[str, int, int, int]]:
        found = set()
        with contextlib.suppress(OSError):  # the folder, or a file of it, is being replaced
            for path in self._folder.iterdir():
                status = path.stat()
                found.add((path.name, status.st_size, status.st_mtime_ns, status.st_ino))
        return frozenset(found)


async def reload_model(service: Service, load: Callable[[], Model]) -> bool:
    """Put what the folder holds now into service; keep what is in service where that cannot be.

    Returns:
        Whether it could.
    """
    try:
        model = await asyncio.to_thread(load)
    except SnapshelfError as error:
        logger.error("kept model %s: %s (%s)", service.model.version, error.message, error.hint)  # noqa: TRY400 - no bug, no traceback
        service.metrics.reloads.labels(REFUSED).inc()
        return False
    service.replace(model)
    service.metrics.reloads.labels(REPLACED).inc()
    logger.info("serving model %s: %d classes", model.version, len(model.classes))
    return True


async def reload_when_changed(
    service: Service,
    load: Callable[[], Model],
    watch: Watch,
    asked: asyncio.Event,
    seconds: float,
) -> None:
    """Reload whenever the folder has changed, or it is asked for; until cancelled.

    Args:
        service: whose model is replaced.
        load: reads the folder.
        watch: on the folder.
        asked: set by who wants it at once.
        seconds: between looks at the folder; 0 for none.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), seconds or None)
        if asked.is_set():
            asked.clear()
            watch.accept()
        elif not watch.changed():
            continue
        await reload_model(service, load)
