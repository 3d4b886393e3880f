"""One training job from its first byte to its artifact, each step written into its document."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, SnapshelfError
from infra.sagemaker.documents import TRAINING_JOB, Document, now
from infra.sagemaker.metrics import final_metrics
from infra.sagemaker.object_store import StorageError
from infra.sagemaker.training_hosts import hosts_of
from infra.sagemaker.training_instance import FAILURE_CHARACTERS, Instance
from infra.sagemaker.training_results import Results
from infra.sagemaker.training_supervision import Ending, Outcome, stop_all, supervise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

OUTPUT_FILE = "output.tar.gz"


class UnwantedError(Exception):
    """The job is to end while its input is still being downloaded."""


class TrainingRun:
    """Runs one job, once. `resumed` says that the plane was restarted while the job ran."""

    def __init__(self, context: PlaneContext, job: Document, *, resumed: bool = False) -> None:
        self._context, self._job, self._resumed = context, job, resumed
        self._folder = context.work / TRAINING_JOB / job["TrainingJobName"]
        self._results = Results(context, job, self._folder)
        self._outcome_file = self._folder / "outcome.json"
        self._cancelled = False
        self._stop_requested, self._pipe_failed = asyncio.Event(), asyncio.Event()
        self._pipe_error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        hosts = hosts_of(job, cloud=str(context.work))
        self._instances = [
            Instance(context, job, host, hosts, on_pipe_error=self._note_pipe_error)
            for host in hosts
        ]
        if resumed and job["TrainingJobStatus"] == "Stopping":
            self.stop()

    def stop(self) -> None:
        """Ask the containers to end; what they have made so far is uploaded."""
        self._job["TrainingJobStatus"] = "Stopping"
        if self._job["SecondaryStatus"] != "Stopping":
            self._advance("Stopping", "Stopping the training job")
        self._stop_requested.set()

    def _note_pipe_error(self, error: Exception) -> None:
        """Called in a pipe's thread."""
        self._pipe_error = error
        self._loop.call_soon_threadsafe(self._pipe_failed.set)

    def sessions(self) -> dict[str, int]:
        """See Run."""
        return {one.name: pid for one in self._instances if (pid := one.session())}

    async def run(self) -> None:
        """Take the job to its end.

        Cancelled, it ends the containers and leaves the job unfinished, to be run again from its
        checkpoints.
        """
        run = self._context.threads.run
        outcome = None
        try:
            outcome = await run(self._outcome_before)
            keep = self._stop_requested.is_set() or outcome is not None
            for one in self._instances:
                await run(one.make_folder, keep=keep)
            async with contextlib.AsyncExitStack() as logs:
                interval = self._context.timing.log_interval
                for one in self._instances:
                    await logs.enter_async_context(one.log_follower().shipping(interval))
                outcome = outcome or await self._run_containers()
            await run(self._note_outcome, outcome)
            await self._upload_results(outcome)  # logs are whole before the job has ended
        except asyncio.CancelledError:
            self._cancelled = True  # for downloads, whose threads are not
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the job must end with it
            self._end("Failed", "Failed", self._failure(error))
            if outcome is not None:  # there may be a model
                await self._results.keep()
        await run(shutil.rmtree, self._folder, ignore_errors=True)

    def _outcome_before(self) -> Outcome | None:
        """Of the containers, where the plane ended while their results were being stored. Blocks.

        To run the job again would cost all of its training, if it left no checkpoint.
        """
        if not (self._resumed and self._outcome_file.is_file()):
            return None
        ending, failed = json.loads(self._outcome_file.read_text())
        return Ending(ending), failed

    def _note_outcome(self, outcome: Outcome) -> None:
        """For a run after this one. Written whole or not at all. Blocks."""
        ending, failed = outcome
        partial = self._outcome_file.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk: then there is only this run
            partial.write_text(json.dumps([ending.value, failed]))
            partial.replace(self._outcome_file)

    def _failure(self, error: Exception) -> str:
        if isinstance(error, SnapshelfError):
            return f"ClientError: {error.message}"
        logger.error("training job %s", self._job["TrainingJobName"], exc_info=error)
        return "InternalServerError: see the local cloud's own log."

    def _check_wanted(self) -> None:
        """Called in threads, whenever some more of the input has come."""
        if self._cancelled or self._stop_requested.is_set():
            raise UnwantedError

    async def _run_containers(self) -> Outcome:
        """How they ended, and the reason where one failed."""
        if self._stop_requested.is_set():
            return Ending.STOPPED, None
        try:
            await self._prepare()
        except (UnwantedError, StorageError):
            if not self._stop_requested.is_set():
                raise
        if self._stop_requested.is_set():
            return Ending.STOPPED, None
        self._advance("Training", "Training image download completed. Training in progress.")
        try:
            for one in self._instances:
                one.start()
            async with self._mirrored_checkpoints():
                return await self._supervised()
        finally:
            await stop_all(self._instances, self._context.timing.shutdown)
            for one in self._instances:
                await self._context.threads.run(one.close_pipes)

    async def _supervised(self) -> Outcome:
        ending, failed = await supervise(
            self._instances,
            seconds=self._job["StoppingCondition"]["MaxRuntimeInSeconds"],
            stop=self._stop_requested,
            broken=self._pipe_failed,
            grace_seconds=self._context.timing.training_stop,
        )
        if ending is Ending.BROKEN and self._pipe_error:
            return ending, self._failure(self._pipe_error)
        return ending, failed

    async def _prepare(self) -> None:
        """Everything under /opt/ml that the containers are to find."""
        run = self._context.threads.run
        self._advance("Downloading", "Downloading input data")
        for one in self._instances:
            await run(one.fetch_channels, self._check_wanted)
        if self._resumed:  # what a host had not yet mirrored, the others are to find as well
            await self._mirror_once()
        for one in self._instances:
            if one.mirror:
                await run(one.mirror.restore, self._check_wanted)
            if self._resumed:
                found = await run(one.checkpoint_files)
                with one.log.open("a") as log:
                    log.write(
                        "The local cloud was restarted while this job ran: it runs again, "
                        f"from {found} checkpoint files.\n"
                    )

    async def _upload_results(self, outcome: Outcome) -> None:
        """Store what the containers left, then write the job's end."""
        ending, failed = outcome
        kept = not await self._checkpoints_stored()
        try:
            await self._upload_output()
            if failed is None:
                await self._upload_model()
        except (StorageError, OSError) as error:
            kept = True
            logger.warning("training job %s: %s", self._job["TrainingJobName"], error)
            failed = failed or f"ClientError: Artifact upload failed: {error}"
        if kept:
            place = await self._results.keep()
            failed = failed and f"{failed} ({_KEPT} {place})"
        if failed is not None:
            self._end("Failed", "Failed", failed)
        else:
            self._end(*_FINAL_STATUS[ending])

    async def _checkpoints_stored(self) -> bool:
        """Mirror them a last time: False where S3 refuses, which is no reason to lose the model."""
        try:
            await self._results.insist(self._mirror)
        except (StorageError, OSError) as error:
            job = self._job["TrainingJobName"]
            logger.warning("training job %s: checkpoints are not stored: %s", job, error)
            return False
        return True

    async def _upload_output(self) -> None:
        folders = [one.base / "output/data" for one in self._instances]
        if any(any(folder.iterdir()) for folder in folders):
            await self._results.upload(folders, OUTPUT_FILE)

    async def _upload_model(self) -> None:
        self._advance("Uploading", "Uploading generated training model")
        folders = [one.base / "model" for one in self._instances]
        location = await self._results.upload(folders, ARTIFACT_FILE)
        self._job["ModelArtifacts"] = {"S3ModelArtifacts": str(location)}
        if definitions := self._job["AlgorithmSpecification"].get("MetricDefinitions"):
            log = self._instances[0].log
            metrics = await self._context.threads.run(final_metrics, log, definitions)
            self._job["FinalMetricDataList"] = metrics

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
        await self._context.threads.run(self._mirror)

    def _mirror(self) -> None:
        """Blocks."""
        for one in self._instances:
            if one.mirror:
                one.mirror.store()

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
        job["SecondaryStatusTransitions"][-1]["EndTime"] = job["LastModifiedTime"]
        self._context.store.put(TRAINING_JOB, job["TrainingJobName"], job)


_KEPT = "what the job left is kept in"

_FINAL_STATUS = {
    Ending.EXITED: ("Completed", "Completed", "Training job completed"),
    Ending.STOPPED: ("Stopped", "Stopped", "Training job stopped"),
    Ending.OUT_OF_TIME: ("Stopped", "MaxRuntimeExceeded", "Training job exceeded its run time"),
}
