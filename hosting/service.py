"""A model in service: photos are decoded and run in threads as they come; it can be replaced."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from hosting.batch import MAX_BATCH, answer_all, decode
from hosting.options import NOTHING_MORE
from hosting.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts import SnapshelfError
    from hosting.batch import Array, Outcome, Photo
    from hosting.metrics import Metrics
    from hosting.model import Model
    from hosting.options import Options

DECODED_TOGETHER = 8
"""Photos of one request that a thread decodes before it hands them on."""


class Service:
    """What answers photos, by the model that is in service when they come.

    Args:
        model: loaded.
        metrics: where times, batches and the queue are told.
        decoders: threads, each of which decodes one photo at a time, and all but one of which go on
            decoding while that one runs the network. A photo within the limits may take 400 MB
            while it is decoded.
        max_batch: pictures in a run of the network at most.
    """

    def __init__(
        self, model: Model, metrics: Metrics, *, decoders: int = 2, max_batch: int = MAX_BATCH
    ) -> None:
        self.metrics, self.decoders, self._max_batch = metrics, decoders, max_batch
        self._threads = ThreadPoolExecutor(decoders, "photos")
        self.replace(model)

    @property
    def model(self) -> Model:
        """The model that answers what comes now."""
        return self._runs.model

    def replace(self, model: Model) -> None:
        """Put a model into service; photos under way are answered by the one before."""
        self._runs = Runs(model, self.metrics, self._max_batch)

    async def answer(
        self, photos: Sequence[Photo], options: Options = NOTHING_MORE
    ) -> tuple[Model, list[Outcome]]:
        """What becomes of each photo, in order, and the model that answered.

        Photos of one request are decoded by all threads, a few at a time, while others of them go
        through the network; those of other requests come in between. A request that wants more
        than answers is not run together with others.

        Raises:
            SnapshelfError: as `answer_all`.
        """
        runs = self._runs
        if options.embedding or options.heatmap:
            own = self._threads.submit(answer_all, runs.model, photos, options)
            return runs.model, await asyncio.wrap_future(own)
        starts = range(0, len(photos), DECODED_TOGETHER)
        parts: list[list[Outcome]] = [[] for _ in starts]
        numbered = iter(enumerate(starts))

        async def work() -> None:
            for at, start in numbered:
                parts[at] = await self._answer_part(runs, photos[start : start + DECODED_TOGETHER])

        if len(parts) == 1:
            await work()
        else:
            workers = min(len(parts), self.decoders + 1)  # one of them waits for the network
            await asyncio.gather(*(work() for _ in range(workers)))
        return runs.model, [outcome for part in parts for outcome in part]

    async def _answer_part(self, runs: Runs, photos: Sequence[Photo]) -> list[Outcome]:
        outcomes: Future[list[Outcome]] = Future()
        self._threads.submit(self._decode_and_run, runs, photos, outcomes)
        return await asyncio.wrap_future(outcomes)

    def _decode_and_run(
        self, runs: Runs, photos: Sequence[Photo], outcomes: Future[list[Outcome]]
    ) -> None:
        """All that becomes of some photos, without a way back to the event loop in between."""
        if outcomes.cancelled():
            return
        try:
            decoded = [self._decode(runs.model, photo) for photo in photos]
        except Exception as error:  # noqa: BLE001 (a bug, which whoever waits must hear of)
            if outcomes.set_running_or_notify_cancel():
                outcomes.set_exception(error)
            return
        runs.run(decoded, outcomes)

    def _decode(self, model: Model, photo: Photo) -> Array | SnapshelfError:
        with self.metrics.decode_seconds.time():
            return decode(model, photo)
