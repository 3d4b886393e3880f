"""How much a variant is asked: requests a minute, and requests at a time."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_SLOTS = 60


class Demand:
    """Counts a variant's requests as they begin and end.

    Args:
        window: seconds that `per_minute` looks back over.
        clock: seconds, of any beginning.
    """

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window, self._clock = window, clock
        self._arrivals: deque[tuple[int, int]] = deque()  # (60th of a window, requests in it)
        self.in_flight = self._peak = 0

    def begin(self) -> None:
        """A request has come."""
        slot = self._slot()
        count = self._arrivals.pop()[1] if self._arrivals and self._arrivals[-1][0] == slot else 0
        self._arrivals.append((slot, count + 1))
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)

    def end(self) -> None:
        """It has been answered."""
        self.in_flight -= 1

    def per_minute(self) -> float:
        """Requests that came within the window, for each minute of it."""
        oldest = self._slot() - _SLOTS
        while self._arrivals and self._arrivals[0][0] <= oldest:
            self._arrivals.popleft()
        return sum(count for _, count in self._arrivals) * 60 / self._window

    def take_peak(self) -> int:
        """The most requests at a time since the last call."""
        peak, self._peak = self._peak, self.in_flight
        return peak

    def _slot(self) -> int:
        return int(self._clock() / self._window * _SLOTS)
