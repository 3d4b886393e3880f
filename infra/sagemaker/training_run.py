"""One training job from its first byte to its artifact, each step written into its document."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import shutil
import signal
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, SnapshelfError
from infra.images import TRAIN
from infra.sagemaker.artifacts import pack
from infra.sagemaker.containers import Container, ContainerSpec
from infra.sagemaker.documents import TRAINING_JOB, Document, now
from infra.sagemaker.logs import TRAINING_GROUP, LogFollower, tail
from infra.sagemaker.metrics import final_metrics
from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_inputs import (
    HOST,
    CheckpointMirror,
    download_channel,
    write_configuration,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

FAILURE_CHARACTERS = 1024
"""FailureReason's length in the service model; SageMaker reads as much of output/failure."""

OUTPUT_FILE = "output.tar.gz"


class Ending(enum.Enum):
    """Why the container is no longer running."""

    EXITED = "exited"
    STOPPED = "stopped"
    OUT_OF_TIME = "out of time"


class TrainingRun:
    """Runs one job, once. `resumed` says that the plane was restarted while the job ran."""

    def __init__(self, context: PlaneContext, job: Document, *, resumed: bool = False) -> None:
        self._context, self._job, self._resumed = context, job, resumed
        self._folder = context.work / TRAINING_JOB / job["TrainingJobName"]
        self._base, self._log = self._folder / "ml", self._folder / "container.log"
        self._stop_requested = asyncio.Event()
        self._mirror: CheckpointMirror | None = None
        if checkpoints := job.get("CheckpointConfig"):
            location = S3Location.parse(checkpoints["S3Uri"])
            self._mirror = CheckpointMirror(context.objects, self._base / "checkpoints", location)
        if resumed and job["TrainingJobStatus"] == "Stopping":
            self._stop_requested.set()

    def stop(self) -> None:
        """Ask the container to end; what it has made so far is uploaded."""
        self._job["TrainingJobStatus"] = "Stopping"
        self._advance("Stopping", "Stopping the training job")
        self._stop_requested.set()

    async def run(self) -> None:
        """Take the job to its end.

        Cancelled, it ends the container and leaves the job unfinished, to be run again from its
        checkpoints.
        """
        try:
            await self._context.threads.run(self._make_folder)
            async with self._log_follower().shipping(self._context.timing.log_interval):
                ending, code = await self._run_container()
            await self._upload_results(ending, code)  # the log is whole before the job has ended
        except SnapshelfError as error:
            self._end("Failed", "Failed", f"ClientError: {error.message}")
        except Exception:
            logger.exception("training job %s", self._job["TrainingJobName"])
            self._end("Failed", "Failed", "InternalServerError: see the local cloud's own log.")
        await self._context.threads.run(shutil.rmtree, self._folder, ignore_errors=True)

    def _make_folder(self) -> None:
        """Begin anew.

        Of a run that the plane's end interrupted, checkpoints and log are kept; and everything, if
        it was stopping: what it made is then uploaded.
        """
        self._base.mkdir(parents=True, exist_ok=True)
        for left in () if self._stop_requested.is_set() else self._base.iterdir():
            if not left.is_dir():
                left.unlink()
            elif left.name != "checkpoints":
                shutil.rmtree(left)
        write_configuration(self._base, self._job)

    async def _run_container(self) -> tuple[Ending, int]:
        if self._stop_requested.is_set():
            return Ending.STOPPED, 0
        await self._prepare()
        if self._stop_requested.is_set():
            return Ending.STOPPED, 0
        self._advance("Training", "Training image download completed. Training in progress.")
        container = Container(self._container_spec(), self._log)
        try:
            async with self._mirrored_checkpoints():
                return await self._supervise(container)
        finally:
            await container.stop(self._context.timing.shutdown)

    async def _prepare(self) -> None:
        """Everything under /opt/ml that the container is to find."""
        threads, objects = self._context.threads, self._context.objects
        self._advance("Downloading", "Downloading input data")
        for channel in self._job.get("InputDataConfig", []):
            await threads.run(download_channel, objects, channel, self._base)
        if self._mirror:
            await threads.run(self._mirror.restore)
        if self._resumed:
            found = sum(path.is_file() for path in (self._base / "checkpoints").rglob("*"))
            with self._log.open("a") as log:
                log.write(
                    "The local cloud was restarted while this job ran: it runs again, "
                    f"from {found} checkpoint files.\n"
                )

    async def _supervise(self, container: Container) -> tuple[Ending, int]:
        """Wait for the container's end, a request to stop, or the end of its time."""
        exited = asyncio.create_task(container.wait())
        stopped = asyncio.create_task(self._stop_requested.wait())
        try:
            limit = self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
            await asyncio.wait({exited, stopped}, timeout=limit, return_when="FIRST_COMPLETED")
            if exited.done():
                return Ending.EXITED, exited.result()
            ending = Ending.STOPPED if stopped.done() else Ending.OUT_OF_TIME
            return ending, await container.stop(self._context.timing.training_stop)
        finally:
            exited.cancel()
            stopped.cancel()

    async def _upload_results(self, ending: Ending, code: int) -> None:
        """Store what the container left, then write the job's end."""
        run = self._context.threads.run
        if self._mirror:
            await run(self._mirror.store)
        if any((self._base / "output/data").iterdir()):
            await run(self._upload, "output/data", OUTPUT_FILE)
        if ending is Ending.EXITED and code != 0:
            self._end("Failed", "Failed", self._failure_reason(code))
            return
        self._advance("Uploading", "Uploading generated training model")
        location = await run(self._upload, "model", ARTIFACT_FILE)
        self._job["ModelArtifacts"] = {"S3ModelArtifacts": str(location)}
        if definitions := self._job["AlgorithmSpecification"].get("MetricDefinitions"):
            metrics = await run(final_metrics, self._log, definitions)
            self._job["FinalMetricDataList"] = metrics
        self._end(*_FINAL_STATUS[ending])

    def _upload(self, folder: str, name: str) -> S3Location:
        archive = self._folder / name
        pack(self._base / folder, archive)
        output = S3Location.parse(self._job["OutputDataConfig"]["S3OutputPath"])
        location = output.child(self._job["TrainingJobName"], "output", name)
        self._context.objects.upload(archive, location)
        archive.unlink()
        return location

    def _failure_reason(self, code: int) -> str:
        failure = self._base / "output/failure"
        if failure.is_file():
            with failure.open(errors="replace") as text:
                return f"AlgorithmError: {text.read(FAILURE_CHARACTERS)}"
        cause = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        return f"AlgorithmError: {cause}; the end of its log:\n{tail(self._log)}"

    def _container_spec(self) -> ContainerSpec:
        context, job = self._context, self._job
        image = job["AlgorithmSpecification"]["TrainingImage"]
        environment = {
            **context.aws_environment(),
            "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
            **job.get("Environment", {}),
            "TRAINING_JOB_NAME": job["TrainingJobName"],
            "TRAINING_JOB_ARN": job["TrainingJobArn"],
        }
        argv = context.images.argv(image, TRAIN)
        return ContainerSpec(argv, self._folder, environment, context.layout)

    def _log_follower(self) -> LogFollower:
        stream = f"{self._job['TrainingJobName']}/{HOST}-{int(now())}"
        context = self._context
        return LogFollower(self._log, TRAINING_GROUP, stream, context.logs, context.log_threads)

    @contextlib.asynccontextmanager
    async def _mirrored_checkpoints(self) -> AsyncIterator[None]:
        mirroring = asyncio.create_task(self._mirror_checkpoints())
        try:
            yield
        finally:
            mirroring.cancel()
            await asyncio.wait({mirroring})

    async def _mirror_checkpoints(self) -> None:
        while self._mirror:
            await asyncio.sleep(self._context.timing.checkpoint_interval)
            try:
                await self._context.threads.run(self._mirror.store)
            except SnapshelfError as error:
                logger.warning("checkpoints are not mirrored now: %s", error.message)

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
