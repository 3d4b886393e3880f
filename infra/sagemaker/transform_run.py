"""One transform job from its first object to its last, and again from where it was broken off."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import shutil
from typing import TYPE_CHECKING

from contracts import SnapshelfError
from infra.sagemaker.documents import TRANSFORM_JOB, Document, now
from infra.sagemaker.model_containers import place_model
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.training_sources import FILE, ChannelSource, StoredObject, stored_objects
from infra.sagemaker.transform_instance import (
    ContainerEnded,
    ExecutionParameters,
    TransformInstance,
)
from infra.sagemaker.transform_ledger import Ledger
from infra.sagemaker.transform_object import TransformSettings, transform_object
from infra.sagemaker.transform_processing import Processing
from infra.sagemaker.transform_records import (
    CLIENT_FAULT,
    MEGABYTE,
    Batching,
    Split,
    Strategy,
    TransformError,
)
from infra.sagemaker.transform_requests import DEFAULT_PAYLOAD_MB, check_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

FAILURE_CHARACTERS = 1024
"""FailureReason's length in the service model."""

SEE_LOGS = "{fault}: See job logs for more information"
"""AWS's whole reason for a job with an object that failed; the first such object is added here."""

_STRATEGIES = {"MultiRecord": Strategy.MULTI_RECORD, "SingleRecord": Strategy.SINGLE_RECORD}


class TransformRun:
    """Runs one job, once. `resumed` says that the plane was restarted while the job ran."""

    def __init__(self, context: PlaneContext, job: Document, *, resumed: bool = False) -> None:
        self._context, self._job, self._resumed = context, job, resumed
        self._folder = context.work / TRANSFORM_JOB / job["TransformJobName"]
        self._stop_requested = asyncio.Event()
        if job["TransformJobStatus"] == "Stopping":
            self._stop_requested.set()
        count = job["TransformResources"]["InstanceCount"]
        self._instances = [
            TransformInstance(context, job, self._folder, f"i-{number}") for number in range(count)
        ]
        self._processing = Processing.parse(job)
        self._first_failure = ""
        self._failed = self._transformed = 0

    def stop(self) -> None:
        """Ask the job to end; the outputs that stand stay."""
        self._job["TransformJobStatus"] = "Stopping"
        self._save()
        self._stop_requested.set()

    def sessions(self) -> dict[str, int]:
        """See Run."""
        return {one.name: pid for one in self._instances if (pid := one.session())}

    async def run(self) -> None:
        """Take the job to its end.

        Cancelled, it ends the containers and leaves the job unfinished, to go on behind the
        objects whose outputs stand.
        """
        try:
            status, reason = await self._until_stopped()
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            status, reason = "Failed", self._failure(error)
        self._end(status, reason)
        await self._context.threads.run(shutil.rmtree, self._folder, ignore_errors=True)

    async def _until_stopped(self) -> tuple[str, str | None]:
        """The job's last status, and the reason where it failed."""
        stopped = asyncio.create_task(self._stop_requested.wait())
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return "Stopped", None
            return working.result()
        finally:
            for task in (stopped, working):
                task.cancel()
            await asyncio.gather(stopped, working, return_exceptions=True)

    async def _work(self) -> tuple[str, str | None]:
        await self._context.threads.run(self._prepare)
        self._job.setdefault("TransformStartTime", now())
        self._save()
        async with contextlib.AsyncExitStack() as logs:
            for one in self._instances:
                await logs.enter_async_context(one.logged())
            try:
                await self._transform()
            except ContainerEnded as error:
                self._instances[0].note(error.message)
                raise
            finally:
                grace = self._context.timing.shutdown
                await asyncio.gather(*(one.stop(grace) for one in self._instances))
        if self._failed:
            total = self._failed + self._transformed
            return "Failed", f"{self._first_failure} ({self._failed} of {total} objects failed)"
        return "Completed", None

    def _prepare(self) -> None:
        """Everything under /opt/ml that the containers are to find. Blocks."""
        container = self._folder / "container"
        shutil.rmtree(container, ignore_errors=True)
        place_model(self._context, self._job["ModelArtifact"], container)

    async def _transform(self) -> None:
        objects = await self._context.threads.run(self._objects)
        asked = await asyncio.gather(*(one.start() for one in self._instances))
        settings = self._settings(asked[0])
        ledger = await self._context.threads.run(Ledger.open, self._folder / "done")
        with ledger:
            left = (one for one in objects if str(settings.output_of(one)) not in ledger)
            if self._resumed:
                self._instances[0].note(
                    f"The local cloud was restarted: {len(ledger)} outputs of {len(objects)} stand."
                )
            parts = itertools.count()
            workers = [
                asyncio.create_task(self._transform_each(left, settings, one, ledger, parts))
                for one in self._instances
                for _ in range(one.concurrent)
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def _settings(self, asked: ExecutionParameters) -> TransformSettings:
        """The request's own settings, then what the container asks for, then AWS's defaults."""
        job, given, stored = self._job, self._job["TransformInput"], self._job["TransformOutput"]
        concurrent = job.get("MaxConcurrentTransforms") or asked.concurrent or 1
        megabytes = job.get("MaxPayloadInMB", asked.megabytes)
        megabytes = DEFAULT_PAYLOAD_MB if megabytes is None else megabytes
        strategy = Strategy(asked.strategy or Strategy.MULTI_RECORD)
        strategy = _STRATEGIES.get(job.get("BatchStrategy", ""), strategy)
        check_payload(concurrent, megabytes)
        split = Split(given.get("SplitType", Split.NONE))
        for one in self._instances:
            one.allow(concurrent)
            one.note(
                f"MaxConcurrentTransforms={concurrent}, MaxPayloadInMB={megabytes}, "
                f"BatchStrategy={strategy.value}"
            )
        return TransformSettings(
            Batching(split, strategy, megabytes * MEGABYTE),
            self._processing,
            gzip=given.get("CompressionType") == "Gzip",
            by_line=stored.get("AssembleWith") == "Line",
            output=S3Location.parse(stored["S3OutputPath"]),
        )

    def _objects(self) -> list[StoredObject]:
        """Everything that is to be transformed, in the order of keys or of the manifest. Blocks."""
        source = self._job["TransformInput"]["DataSource"]["S3DataSource"]
        location = S3Location.parse(source["S3Uri"])
        return stored_objects(
            self._context.objects, ChannelSource("input", FILE, source["S3DataType"], location)
        )

    async def _transform_each(
        self,
        objects: Iterator[StoredObject],
        settings: TransformSettings,
        instance: TransformInstance,
        ledger: Ledger,
        parts: Iterator[int],
    ) -> None:
        """Transform objects, one after the other, as long as there are any."""
        for item in objects:
            part = self._folder / f"{next(parts)}.part"
            try:
                await transform_object(self._context, settings, instance, item, part)
            except ContainerEnded:
                raise
            except (TransformError, StorageError) as error:
                self._note_failure(instance, item, error)
            else:
                self._transformed += 1
                ledger.add(str(settings.output_of(item)))

    def _note_failure(
        self, instance: TransformInstance, item: StoredObject, error: TransformError | StorageError
    ) -> None:
        """Write down an object that failed, as AWS's data log does; the first is the reason."""
        name = f"{item.location.bucket}/{item.location.key}"
        fault = error.fault if isinstance(error, TransformError) else CLIENT_FAULT
        detail = error.detail if isinstance(error, TransformError) else None
        lines = [error.message] if detail is None else [error.message, "", "Message:", detail]
        instance.note("\n".join(f"{name}: {line}" for line in "\n".join(lines).split("\n")))
        self._failed += 1
        if self._failed == 1:
            said = f" ({detail})" if detail else ""
            self._first_failure = f"{SEE_LOGS.format(fault=fault)}. {name}: {error.message}{said}"

    def _failure(self, error: Exception) -> str:
        if isinstance(error, TransformError):
            return f"{error.fault}: {error.message}"
        if isinstance(error, SnapshelfError):
            return f"{CLIENT_FAULT}: {error.message}"
        logger.error("transform job %s", self._job["TransformJobName"], exc_info=error)
        return "InternalServerError: see the local cloud's own log."

    def _end(self, status: str, reason: str | None) -> None:
        self._job["TransformJobStatus"], self._job["TransformEndTime"] = status, now()
        if reason is not None:
            self._job["FailureReason"] = reason[:FAILURE_CHARACTERS]
        self._save()

    def _save(self) -> None:
        self._job["LastModifiedTime"] = now()
        self._context.store.put(TRANSFORM_JOB, self._job["TransformJobName"], self._job)
