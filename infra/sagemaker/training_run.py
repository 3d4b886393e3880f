"""One training job from its first byte to its artifact, each step written into its document."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import shutil
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, SnapshelfError
from infra.sagemaker.artifacts import pack
from infra.sagemaker.documents import TRAINING_JOB, Document, now
from infra.sagemaker.metrics import final_metrics
from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_hosts import hosts_of
from infra.sagemaker.training_instance import FAILURE_CHARACTERS, Instance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

OUTPUT_FILE = "output.tar.gz"


class Ending(enum.Enum):
    """Why the containers are no longer running."""

    EXITED = "exited"
    STOPPED = "stopped"
    OUT_OF_TIME = "out of time"


class TrainingRun:
    """Runs one job, once. `resumed` says that the plane was restarted while the job ran."""

    def __init__(self, context: PlaneContext, job: Document, *, resumed: bool = False) -> None:
        self._context, self._job, self._resumed = context, job, resumed
        self._folder = context.work / TRAINING_JOB / job["TrainingJobName"]
        self._stop_requested, self._pipe_failed = asyncio.Event(), asyncio.Event()
        self._pipe_error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        hosts = hosts_of(job, cloud=str(context.work))
        self._instances = [
            Instance(context, job, host, hosts, on_pipe_error=self._note_pipe_error)
            for host in hosts
        ]
        if resumed and job["TrainingJobStatus"] == "Stopping":
            self._stop_requested.set()

    def stop(self) -> None:
        """Ask the containers to end; what they have made so far is uploaded."""
        self._job["TrainingJobStatus"] = "Stopping"
        self._advance("Stopping", "Stopping the training job")
        self._stop_requested.set()

    def _note_pipe_error(self, error: Exception) -> None:
        """Called in a pipe's thread."""
        self._pipe_error = error
        self._loop.call_soon_threadsafe(self._pipe_failed.set)

    async def run(self) -> None:
        """Take the job to its end.

        Cancelled, it ends the containers and leaves the job unfinished, to be run again from its
        checkpoints.
        """
        interval = self._context.timing.log_interval
        try:
            for one in self._instances:
                keep = self._stop_requested.is_set()
                await self._context.threads.run(one.make_folder, keep=keep)
            async with contextlib.AsyncExitStack() as logs:
                for one in self._instances:
                    await logs.enter_async_context(one.log_follower().shipping(interval))
                ending, failed = await self._run_containers()
            await self._upload_results(ending, failed)  # logs are whole before the job has ended
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            self._end("Failed", "Failed", self._failure(error))
        await self._context.threads.run(shutil.rmtree, self._folder, ignore_errors=True)

    def _failure(self, error: Exception) -> str:
        if isinstance(error, SnapshelfError):
            return f"ClientError: {error.message}"
        logger.error("training job %s", self._job["TrainingJobName"], exc_info=error)
        return "InternalServerError: see the local cloud's own log."

    async def _run_containers(self) -> tuple[Ending, str | None]:
        """How they ended, and the reason where one failed."""
        if self._stop_requested.is_set():
            return Ending.STOPPED, None
        await self._prepare()
        if self._stop_requested.is_set():
            return Ending.STOPPED, None
        self._advance("Training", "Training image download completed. Training in progress.")
        try:
            for one in self._instances:
                one.start()
            async with self._mirrored_checkpoints():
                return await self._supervise()
        finally:
            await self._stop_all(self._context.timing.shutdown)
            for one in self._instances:
                await self._context.threads.run(one.close_pipes)

    async def _stop_all(self, grace_seconds: float) -> None:
        await asyncio.gather(*(one.stop(grace_seconds) for one in self._instances))

    async def _prepare(self) -> None:
        """Everything under /opt/ml that the containers are to find."""
        run = self._context.threads.run
        self._advance("Downloading", "Downloading input data")
        for one in self._instances:
            await run(one.fetch_channels)
        if self._resumed:  # what a host had not yet mirrored, the others are to find as well
            await self._mirror_once()
        for one in self._instances:
            if one.mirror:
                await run(one.mirror.restore)
            if self._resumed:
                found = await run(one.checkpoint_files)
                with one.log.open("a") as log:
                    log.write(
                        "The local cloud was restarted while this job ran: it runs again, "
                        f"from {found} checkpoint files.\n"
                    )

    async def _supervise(self) -> tuple[Ending, str | None]:
        """Wait until all have exited or one has failed, until told to stop, or the time's end."""
        exits = {asyncio.create_task(one.wait()): one for one in self._instances}
        stopped = asyncio.create_task(self._stop_requested.wait())
        broken = asyncio.create_task(self._pipe_failed.wait())
        limit = self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
        end = self._loop.time() + limit
        try:
            while pending := [task for task in exits if not task.done()]:
                await asyncio.wait(
                    {*pending, stopped, broken},
                    timeout=max(0, end - self._loop.time()),
                    return_when="FIRST_COMPLETED",
                )
                done = [task for task in exits if task.done()]
                if len(done) == len(exits) or any(task.result() != 0 for task in done):
                    break
                if stopped.done() or broken.done() or self._loop.time() >= end:
                    return await self._stop_early(stopped=stopped.done(), broken=broken.done())
            failed = [(one, task.result()) for task, one in exits.items() if task.done()]
            reasons = [one.failure_reason(code) for one, code in failed if code != 0]
            if reasons:
                await self._stop_all(self._context.timing.training_stop)
            return Ending.EXITED, reasons[0] if reasons else None
        finally:
            for task in (*exits, stopped, broken):
                task.cancel()

    async def _stop_early(self, *, stopped: bool, broken: bool) -> tuple[Ending, str | None]:
        """End containers that are still running; the reason is what ended a channel's streaming."""
        await self._stop_all(self._context.timing.training_stop)
        if broken and self._pipe_error:
            return Ending.EXITED, self._failure(self._pipe_error)
        return (Ending.STOPPED if stopped else Ending.OUT_OF_TIME), None

    async def _upload_results(self, ending: Ending, failed: str | None) -> None:
        """Store what the containers left, then write the job's end."""
        run = self._context.threads.run
        await self._mirror_once()
        if any(any((one.base / "output/data").iterdir()) for one in self._instances):
            await run(self._upload, "output/data", OUTPUT_FILE)
        if failed is not None:
            self._end("Failed", "Failed", failed)
            return
        self._advance("Uploading", "Uploading generated training model")
        location = await run(self._upload, "model", ARTIFACT_FILE)
        self._job["ModelArtifacts"] = {"S3ModelArtifacts": str(location)}
        if definitions := self._job["AlgorithmSpecification"].get("MetricDefinitions"):
            metrics = await run(final_metrics, self._instances[0].log, definitions)
            self._job["FinalMetricDataList"] = metrics
        self._end(*_FINAL_STATUS[ending])

    def _upload(self, folder: str, name: str) -> S3Location:
        """One archive of what all hosts left in a folder.

        SageMaker joins them too, and asks that names do not clash (developer guide, *How Amazon
        SageMaker Processes Training Output*); where they do, the first host's file is taken.
        """
        archive = self._folder / name
        clashing = pack([one.base / folder for one in self._instances], archive)
        if clashing:
            job = self._job["TrainingJobName"]
            logger.warning("training job %s: several hosts wrote %s", job, ", ".join(clashing))
        output = S3Location.parse(self._job["OutputDataConfig"]["S3OutputPath"])
        location = output.child(self._job["TrainingJobName"], "output", name)
        self._context.objects.upload(archive, location)
        archive.unlink()
        return location

    @contextlib.asynccontextmanager
    async def _mirrored_checkpoints(self) -> AsyncIterator[None]:
        mirroring = asyncio.create_task(self._mirror_checkpoints())
        try:
            yield
        finally:
            mirroring.cancel()
            await asyncio.wait({mirroring})

    async def _mirror_checkpoints(self) -> None:
        while self._job.get("CheckpointConfig"):
            await asyncio.sleep(self._context.timing.checkpoint_interval)
            try:
                await self._mirror_once()
            except SnapshelfError as error:
                logger.warning("checkpoints are not mirrored now: %s", error.message)
            except Exception:  # the next time may do; ended here, nothing more would be mirrored
                logger.exception("checkpoints are not mirrored now")

    async def _mirror_once(self) -> None:
        for one in self._instances:
            if one.mirror:
                await self._context.threads.run(one.mirror.store)

    def _advance(self, status: str, message: str) -> None:
        """Enter a secondary status."""
        moment, job = now(), self._job
        if status == "Downloading":
            job["TrainingStartTime"] = moment
        transitions = job["SecondaryStatusTransitions"]
        transitions[-1].setdefault("EndTime", moment)
        transitions.append({"Status": status, "StartTime": moment, "StatusMessage": message})
        job["SecondaryStatus"], job["LastModifiedTime"] = status, moment
        self._context.store.put(TRAINING_JOB, job["TrainingJobName"], job)

    def _end(self, status: str, secondary: str, message: str) -> None:
        moment, job = now(), self._job
        job["TrainingJobStatus"], job["TrainingEndTime"] = status, moment
        if status == "Failed":
            job["FailureReason"] = message[:FAILURE_CHARACTERS]
        if "TrainingStartTime" in job:
            seconds = max(1, round(moment - job["TrainingStartTime"]))
            job["TrainingTimeInSeconds"] = job["BillableTimeInSeconds"] = seconds
        self._advance(secondary, message[:FAILURE_CHARACTERS])
        job["SecondaryStatusTransitions"][-1]["EndTime"] = moment
        self._context.store.put(TRAINING_JOB, job["TrainingJobName"], job)


_FINAL_STATUS = {
    Ending.EXITED: ("Completed", "Completed", "Training job completed"),
    Ending.STOPPED: ("Stopped", "Stopped", "Training job stopped"),
    Ending.OUT_OF_TIME: ("Stopped", "MaxRuntimeExceeded", "Training job exceeded its run time"),
}
