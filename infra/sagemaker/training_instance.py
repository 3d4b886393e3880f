"""One host of a training job: its folder, its channels and checkpoints, its container and log."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

from infra.images import TRAIN
from infra.sagemaker.containers import Container, ContainerSpec
from infra.sagemaker.documents import TRAINING_JOB, Document, now
from infra.sagemaker.instance_types import OUT_OF_MEMORY, memory_limit
from infra.sagemaker.logs import TRAINING_GROUP, LogFollower, tail
from infra.sagemaker.metrics import Patterns
from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_checkpoints import CheckpointMirror
from infra.sagemaker.training_hosts import ADDRESSES_VARIABLE, addresses, hosts_file
from infra.sagemaker.training_inputs import download_channel, write_configuration
from infra.sagemaker.training_pipes import ChannelPipe
from infra.sagemaker.training_sources import PIPE, ChannelSource, read_items

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.training_hosts import Host

FAILURE_CHARACTERS = 1024
"""FailureReason's length in the service model; SageMaker reads as much of output/failure."""


class Instance:
    """One host. Its blocking calls say so; the others belong on the event loop.

    Args:
        on_pipe_error: called, in a thread, with what ended the streaming of a channel.
    """

    def __init__(
        self,
        context: PlaneContext,
        job: Document,
        host: Host,
        hosts: tuple[Host, ...],
        *,
        on_pipe_error: Callable[[Exception], None],
    ) -> None:
        self._context, self._job, self._host, self._hosts = context, job, host, hosts
        self._on_pipe_error = on_pipe_error
        self.folder: Path = context.work / TRAINING_JOB / job["TrainingJobName"] / host.name
        self.base: Path = self.folder / "ml"
        self.log: Path = self.folder / "container.log"
        self.mirror: CheckpointMirror | None = None
        self._patterns = Patterns(job["AlgorithmSpecification"].get("MetricDefinitions", []))
        self._pipes: list[ChannelPipe] = []
        self._container: Container | None = None

    @property
    def name(self) -> str:
        """SageMaker's name for the host."""
        return self._host.name

    def session(self) -> int | None:
        """Of the container's processes; None before it has been started."""
        return self._container.session if self._container else None

    def make_folder(self, *, keep: bool) -> None:
        """Begin anew; with `keep`, leave everything that an interrupted run made. Blocks.

        Otherwise only checkpoints and log are kept of it.
        """
        self.base.mkdir(parents=True, exist_ok=True)
        for left in () if keep else self.base.iterdir():
            if not left.is_dir():
                left.unlink()
            elif left.name != "checkpoints":
                shutil.rmtree(left)
        write_configuration(self.base, self._job, self._host, self._hosts)
        (self.folder / "hosts").write_text(hosts_file(self._hosts))
        if checkpoints := self._job.get("CheckpointConfig"):
            location = S3Location.parse(checkpoints["S3Uri"])
            self.mirror = CheckpointMirror(
                self._context.objects,
                self.base / "checkpoints",
                location,
                self.folder / "checkpoints.json",
            )

    def fetch_channels(self, on_piece: Callable[[], None]) -> None:
        """Download what comes as files, and find out what pipes are to stream. Blocks.

        Args:
            on_piece: called whenever some more has come; what it raises ends the downloading.

        Raises:
            StorageError: nothing is there, a manifest is malformed, or S3 refuses.
        """
        objects, count = self._context.objects, len(self._hosts)
        mode = self._job["AlgorithmSpecification"]["TrainingInputMode"]
        for channel in self._job.get("InputDataConfig", []):
            source = ChannelSource.parse(channel, mode)
            if source.mode == PIPE:
                self._pipes.append(
                    ChannelPipe(
                        objects,
                        source,
                        read_items(objects, source),
                        self.base / "input/data",
                        host=self._host,
                        hosts=count,
                        on_error=self._on_pipe_error,
                    )
                )
            else:
                download_channel(
                    objects, source, self.base, host=self._host, hosts=count, on_piece=on_piece
                )

    def checkpoint_files(self) -> int:
        """How many there are. Blocks."""
        return sum(path.is_file() for path in (self.base / "checkpoints").rglob("*"))

    def start(self) -> None:
        """Start the container, and feed its pipes."""
        for pipe in self._pipes:
            pipe.open()
        self._container = Container(self._spec(), self.log)

    async def wait(self) -> int:
        """The container's exit code, once it has ended."""
        return await self._started().wait()

    async def stop(self, grace_seconds: float) -> int:
        """SIGTERM, then SIGKILL after the grace; the exit code (0 where it was never started).

        Pipes are fed until then: the container may be at the end of a batch.
        """
        return await self._container.stop(grace_seconds) if self._container else 0

    def close_pipes(self) -> None:
        """End the streaming. Blocks."""
        for pipe in self._pipes:
            pipe.close()

    def _started(self) -> Container:
        assert self._container is not None  # noqa: S101 - the caller's order
        return self._container

    @property
    def _failure_file(self) -> Path:
        return self.base / "output/failure"

    def failed_at(self, ended_at: float) -> float:
        """When the container failed, in seconds since 1970: it may take a while to end after that.

        Args:
            ended_at: when its end was noticed.
        """
        try:
            return min(ended_at, self._failure_file.stat().st_mtime)
        except FileNotFoundError:
            return ended_at

    def failure_reason(self, code: int) -> str:
        """Why the container ended with an exit code other than 0."""
        if self._started().out_of_memory:
            return OUT_OF_MEMORY
        if self._failure_file.is_file():
            with self._failure_file.open(errors="replace") as text:
                return f"AlgorithmError: {text.read(FAILURE_CHARACTERS)}"
        cause = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        where = f"{self.name}: " if len(self._hosts) > 1 else ""
        return f"AlgorithmError: {where}{cause}; the end of its log:\n{tail(self.log)}"

    def log_follower(self) -> LogFollower:
        """Follows the container's log into a stream of this host's own.

        Where the plane was restarted while the job ran, from where the run before was followed to.
        """
        stream = f"{self._job['TrainingJobName']}/{self.name}-{int(now())}"
        context, ledger = self._context, self.folder / "shipped"
        return LogFollower(
            self.log,
            TRAINING_GROUP,
            stream,
            context.logs,
            context.log_threads,
            ledger=ledger,
            on_lines=self._note_metrics,
        )

    def _note_metrics(self, lines: list[str]) -> None:
        """Called in a thread."""
        for metric, value in self._patterns.find(lines):
            self._context.observations.trained(self._job["TrainingJobName"], metric, value)

    def _spec(self) -> ContainerSpec:
        context, job = self._context, self._job
        image = job["AlgorithmSpecification"]["TrainingImage"]
        cores = len(os.sched_getaffinity(0))
        environment = {
            **context.aws_environment(),
            "OMP_NUM_THREADS": str(max(1, cores // len(self._hosts))),  # they share the machine
            ADDRESSES_VARIABLE: addresses(self._hosts),
            **job.get("Environment", {}),
            "TRAINING_JOB_NAME": job["TrainingJobName"],
            "TRAINING_JOB_ARN": job["TrainingJobArn"],
        }
        argv = context.images.argv(image, TRAIN)
        limit = memory_limit(job["ResourceConfig"]["InstanceType"])
        return ContainerSpec(argv, self.folder, environment, context.layout, limit)
