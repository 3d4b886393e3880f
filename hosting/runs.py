"""A model's runs, one at a time: pictures that wait when one begins go through it together."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hosting.batch import MAX_BATCH, predict

if TYPE_CHECKING:
    from hosting.batch import Array, Outcome
    from hosting.metrics import Metrics
    from hosting.model import Model


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    arrays: Array
    outcomes: Future[list[Outcome]] = field(default_factory=Future)


class Runs:
    """What comes while the network is idle goes through it at once, alone.

    What comes during a run waits for the next, which takes all that wait and fit, in their order.
    So batches are as large as the load makes them, and nobody waits for one to fill.

    Args:
        model: loaded. Its thread ends when the last reference to this object is gone.
        metrics: where runs and the queue are told.
        max_batch: pictures in a run at most, unless one request has more at once.
    """

    def __init__(self, model: Model, metrics: Metrics, max_batch: int = MAX_BATCH) -> None:
        self.model, self._metrics, self._max_batch = model, metrics, max_batch
        self._waiting: deque[_Pictures] = deque()
        self._thread = ThreadPoolExecutor(1, "model")

    def submit(self, arrays: Array) -> Future[list[Outcome]]:
        """An outcome for each of the pictures (N, 3, size, size), once they had their run."""
        pictures = _Pictures(arrays)
        self._metrics.queue.inc(len(arrays))
        self._waiting.append(pictures)
        self._thread.submit(self._run)  # finds nothing where the run before has taken these along
        return pictures.outcomes

    def _run(self) -> None:
        batch = self._take()
        if not batch:
            return
        arrays = [each.arrays for each in batch]
        try:
            outcomes = iter(
                self._predict(arrays[0] if len(arrays) == 1 else np.concatenate(arrays))
            )
            for each in batch:
                each.outcomes.set_result(list(itertools.islice(outcomes, len(each.arrays))))
        except Exception as error:  # noqa: BLE001 (of whatever kind, those who wait must hear of it)
            for each in batch:
                each.outcomes.set_exception(error)

    def _predict(self, arrays: Array) -> list[Outcome]:
        self._metrics.batch_photos.observe(len(arrays))
        with self._metrics.model_seconds.time():
            return predict(self.model, arrays)

    def _take(self) -> list[_Pictures]:
        """The first that wait, as many as fit, without those that nobody waits for any more."""
        taken: list[_Pictures] = []
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
