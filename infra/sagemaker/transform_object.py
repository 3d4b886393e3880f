"""One object of a transform job: sent payload by payload, its answers put together."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.sagemaker.training_sources import StoredObject, decompressed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.object_store import S3Location
    from infra.sagemaker.transform_instance import TransformInstance
    from infra.sagemaker.transform_processing import Processing
    from infra.sagemaker.transform_records import Batching


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """What is the same for all objects of a job.

    Attributes:
        batching: how payloads are made.
        processing: filters and join.
        gzip: whether objects are decompressed on their way.
        by_line: whether each answer ends in a line's end (AssembleWith).
        output: where `<relative key>.out` go.
    """

    batching: Batching
    processing: Processing
    gzip: bool
    by_line: bool
    output: S3Location

    def output_of(self, item: StoredObject) -> S3Location:
        """Where an object's answers go."""
        return self.output.child(f"{item.path}.out")


async def transform_object(
    context: PlaneContext,
    settings: TransformSettings,
    instance: TransformInstance,
    item: StoredObject,
    part: Path,
) -> None:
    """Transform one object; its output appears in S3 whole or not at all.

    Whatever the object's size, no more payloads are held than the instance takes at once, and twice
    as many answers.

    Args:
        context: the plane's.
        settings: the job's.
        instance: whose container is asked.
        item: the object.
        part: a file to gather the answers in; removed again.

    Raises:
        TransformError: the container refused a payload, or gave no answer.
        ContainerEnded: there is no container any more.
        StorageError: S3 refuses, or the object is not of the kind that the job says.
    """
    transfer = _Transfer(context, settings, instance, item)
    try:
        with part.open("wb") as output:
            await transfer.run(output)
        await context.threads.run(context.objects.upload, part, settings.output_of(item))
    finally:
        await context.threads.run(part.unlink, missing_ok=True)


class _Transfer:
    """The payloads of one object, under way at once and answered in order."""

    def __init__(
        self,
        context: PlaneContext,
        settings: TransformSettings,
        instance: TransformInstance,
        item: StoredObject,
    ) -> None:
        self._context, self._settings = context, settings
        self._instance, self._item = instance, item
        self._pending: deque[asyncio.Task[bytes]] = deque()

    async def run(self, output: BinaryIO) -> None:
        try:
            if self._settings.batching.is_streamed:
                async with self._instance.slots:
                    self._write(output, await self._instance.invoke(self._pieces))
            else:
                await self._send_batches(output)
        finally:
            for task in self._pending:
                task.cancel()
            await asyncio.gather(*self._pending, return_exceptions=True)

    async def _send_batches(self, output: BinaryIO) -> None:
        batches = self._settings.batching.batches(self._read())
        while (records := await self._next(batches)) is not None:
            task = asyncio.create_task(self._answer(records))
            task.add_done_callback(lambda _: self._instance.slots.release())
            self._pending.append(task)
            await self._collect(output, leave=2 * self._instance.concurrent)
        await self._collect(output, leave=0)

    async def _collect(self, output: BinaryIO, *, leave: int) -> None:
        """Write the answers that are there, in order; wait until no more than `leave` are due."""
        while self._pending and (self._pending[0].done() or len(self._pending) > leave):
            self._write(output, await self._pending[0])
            self._pending.popleft()

    async def _next(self, batches: Iterator[list[bytes]]) -> list[bytes] | None:
        """The next payload's records, read once there is a slot for it; None at the end."""
        slots = self._instance.slots
        await slots.acquire()
        records = None
        try:
            records = await self._context.threads.run(next, batches, None)
        finally:
            if records is None:
                slots.release()
        return records

    async def _answer(self, records: list[bytes]) -> bytes:
        batching, processing = self._settings.batching, self._settings.processing
        if not processing.active:
            payload = batching.payload(records)
            return await self._instance.invoke(lambda: payload)
        rows = processing.rows(records)
        payload = processing.prepare(rows)
        return processing.finish(rows, await self._instance.invoke(lambda: payload))

    def _write(self, output: BinaryIO, answer: bytes) -> None:
        """Add an answer; one that ends in a line's end already gets no second."""
        output.write(answer)
        if self._settings.by_line and not answer.endswith(b"\n"):
            output.write(b"\n")

    def _read(self) -> Iterator[bytes]:
        pieces = self._context.objects.read(self._item.location)
        name = str(self._item.location)
        return decompressed(pieces, name) if self._settings.gzip else pieces

    async def _pieces(self) -> AsyncIterator[bytes]:
        pieces = self._read()
        while (piece := await self._context.threads.run(next, pieces, None)) is not None:
            yield piece
