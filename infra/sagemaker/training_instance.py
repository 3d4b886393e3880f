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
from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_checkpoints import CheckpointMirror
from infra.sagemaker.training_hosts import ADDRESSES_VARIABLE, addresses, hosts_file
from infra.sagemaker.training_inputs import download_channel, write_configuration
from infra.sagemaker.training_pipes import ChannelPipe
from infra.sagemaker.training_sources import PIPE, ChannelSource, read_items

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self.folder = context.work / TRAINING_JOB / job["TrainingJobName"] / host.name
        self.base, self.log = self.folder / "ml", self.folder / "container.log"
        self.mirror: CheckpointMirror | None = None
        self._pipes: list[ChannelPipe] = []
        self._container: Container | None = None

    @property
    def name(self) -> str:
        """SageMaker's name for the host."""
        return self._host.name

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

    def fetch_channels(self) -> None:
        """Download what comes as files, and find out what pipes are to stream. Blocks.

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
                download_channel(objects, source, self.base, host=self._host, hosts=count)

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

    def failure_reason(self, code: int) -> str:
        """Why the container ended with an exit code other than 0."""
        if self._started().out_of_memory:
            return OUT_OF_MEMORY
        failure = self.base / "output/failure"
        if failure.is_file():
            with failure.open(errors="replace") as text:
                return f"AlgorithmError: {text.read(FAILURE_CHARACTERS)}"
        cause = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        where = f"{self.name}: " if len(self._hosts) > 1 else ""
        return f"AlgorithmError: {where}{cause}; the end of its log:\n{tail(self.log)}"

    def log_follower(self) -> LogFollower:
        """Follows the container's log into a stream of this host's own."""
        stream = f"{self._job['TrainingJobName']}/{self.name}-{int(now())}"
        context = self._context
        return LogFollower(self.log, TRAINING_GROUP, stream, context.logs, context.log_threads)

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
