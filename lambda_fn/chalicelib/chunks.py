"""How many photos of a batch go to the endpoint in one request: more while answers come fast."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .photo_request import Photo

LARGEST_CHUNK = 256
"""Photos of one request. Beyond, a request costs nothing worth sparing any more."""

CHUNK_BYTES = 2_000_000
"""Of a request's photos together, before base64 adds a third: InvokeEndpoint takes 6 MiB."""

FAST_SECONDS, SLOW_SECONDS = 0.5, 2.0
"""Answers sooner than the one let chunks grow, later than the other shrink: no request may come
near the time at which it is given up, however slow the network and however many ask it.
"""


class Chunks:
    """The photos of a batch that are left, for several threads to take some at a time.

    The first of each are asked alone, as if there were no batch. A chunk that was answered fast is
    followed by one of twice as many.
    """

    def __init__(self, photos: Iterable[tuple[int, Photo]]) -> None:
        self._left = deque(photos)
        self._size = 1
        self._lock = threading.Lock()

    def take(self) -> list[tuple[int, Photo]]:
        """The next photos with their places; none when all have been taken."""
        with self._lock:
            taken: list[tuple[int, Photo]] = []
            total = 0
            while self._left and len(taken) < self._size:
                total += len(self._left[0][1].data)
                if taken and total > CHUNK_BYTES:
                    break
                taken.append(self._left.popleft())
            return taken

    def adapt(self, count: int, seconds: float) -> None:
        """Learn from a chunk of `count` photos that took so long."""
        with self._lock:
            if seconds < FAST_SECONDS:
                self._size = max(self._size, min(2 * count, LARGEST_CHUNK))
            elif seconds > SLOW_SECONDS:
                self._size = max(1, min(self._size, count // 2))
