"""A model's runs, one at a time: pictures that wait when one begins go through it together."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from contracts import SnapshelfError
from hosting.batch import MAX_BATCH, predict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from hosting.batch import Array, Outcome
    from hosting.metrics import Metrics
    from hosting.model import Model


class _Part:
    """Some photos of a request, and where what becomes of them is waited for."""

    def __init__(
        self, decoded: Sequence[Array | SnapshelfError], outcomes: Future[list[Outcome]]
    ) -> None:
        self._decoded, self.outcomes = decoded, outcomes
        self.arrays = [each for each in decoded if not isinstance(each, SnapshelfError)]

    def tell(self, found: Iterator[Outcome]) -> None:
        """Tell who waits what was found for each picture, and what is wrong with the others."""
        self.outcomes.set_result(
            [each if isinstance(each, SnapshelfError) else next(found) for each in self._decoded]
        )


class Runs:
    """What comes while the network is idle goes through it at once, alone.

    What comes during a run waits for the next, which takes all that wait and fit, in their order.
    So batches are as large as the load makes them, and nobody waits for one to fill.

    The network has no thread of its own. Whoever brings pictures runs it, and goes on for those who
    come meanwhile: a lone photo stays in one thread from its bytes to its answer.

    Args:
        model: loaded.
        metrics: where runs and the queue are told.
        max_batch: pictures in a run at most, unless one request has more at once.
    """

    def __init__(self, model: Model, metrics: Metrics, max_batch: int = MAX_BATCH) -> None:
        self.model, self._metrics, self._max_batch = model, metrics, max_batch
        self._waiting: deque[_Part] = deque()
        self._network = threading.Lock()

    def run(
        self, decoded: Sequence[Array | SnapshelfError], outcomes: Future[list[Outcome]]
    ) -> None:
        """Put some photos in line, and run what is in line unless another thread is at it.

        Args:
            decoded: pictures (1, 3, size, size); in the place of a photo that is none, its fault.
            outcomes: gets one for each, once they had their run, in this thread or another.
        """
        part = _Part(decoded, outcomes)
        if not part.arrays:
            if outcomes.set_running_or_notify_cancel():
                part.tell(iter(()))
            return
        self._metrics.queue.inc(len(part.arrays))
        self._waiting.append(part)
        # Looked at again when the network is free: who came just before has found it busy.
        while self._waiting and self._network.acquire(blocking=False):
            try:
                self._run_batch(self._take())
            finally:
                self._network.release()

    def _run_batch(self, batch: Sequence[_Part]) -> None:
        arrays = [array for part in batch for array in part.arrays]
        if not arrays:
            return
        try:
            found = iter(self._predict(arrays[0] if len(arrays) == 1 else np.concatenate(arrays)))
        except Exception as error:  # noqa: BLE001 (of whatever kind, those who wait must hear of it)
            for part in batch:
                part.outcomes.set_exception(error)
            return
        for part in batch:
            part.tell(found)

    def _predict(self, arrays: Array) -> list[Outcome]:
        self._metrics.batch_photos.observe(len(arrays))
        with self._metrics.model_seconds.time():
            return predict(self.model, arrays)

    def _take(self) -> list[_Part]:
        """The first that wait, as many as fit, without those that nobody waits for any more."""
        taken: list[_Part] = []
        count = 0
        while self._waiting and (
            not taken or count + len(self._waiting[0].arrays) <= self._max_batch
        ):
            first = self._waiting.popleft()
            self._metrics.queue.dec(len(first.arrays))
            if first.outcomes.set_running_or_notify_cancel():
                taken.append(first)
                count += len(first.arrays)
        return taken
