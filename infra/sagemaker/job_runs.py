"""The jobs of one kind that are under way: begun, stopped, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Protocol

from infra.sagemaker.errors import ValidationException

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.documents import Document

UNFINISHED = ("InProgress", "Stopping")


class Run(Protocol):
    """One job, run once."""

    async def run(self) -> None:
        """Take the job to its end; cancelled, end its containers and leave it unfinished."""

    def stop(self) -> None:
        """Ask the job to end, and note that in its document."""

    def sessions(self) -> dict[str, int]:
        """The sessions of its running containers, by host."""


class RunFactory(Protocol):
    """How a run is made; one that is `resumed` finds in the document how far the job had come."""

    def __call__(self, context: PlaneContext, job: Document, *, resumed: bool) -> Run:
        """The run of a job, not yet begun."""


class JobRuns:
    """Runs of the jobs of one kind; `noun` is how the service's members name it (TrainingJob)."""

    def __init__(self, context: PlaneContext, kind: str, noun: str, make_run: RunFactory) -> None:
        self._context, self._kind, self._noun, self._make_run = context, kind, noun, make_run
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def restore(self) -> None:
        """Go on with what the plane's end interrupted; clear away what belongs to no job."""
        folder = self._context.work / self._kind
        unfinished = {
            self._name(job): job
            for job in self._context.store.all(self._kind)
            if self._status(job) in UNFINISHED
        }
        for left in folder.iterdir() if folder.exists() else ():
            if left.name not in unfinished:
                await self._context.threads.run(shutil.rmtree, left, ignore_errors=True)
        for name, job in unfinished.items():
            if name not in self._runs:
                self.start(job, resumed=True)

    async def close(self) -> None:
        """End every container; the jobs stay unfinished, and `restore` goes on with them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, job: Document, *, resumed: bool = False) -> None:
        """Run a job, in the background."""
        name = self._name(job)
        self._runs[name] = run = self._make_run(self._context, job, resumed=resumed)
        task = asyncio.create_task(run.run(), name=f"{self._kind} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._runs.pop(name, None))

    def stop(self, job: Document) -> None:
        """Ask a job to end; one that is stopping already is left to it.

        Raises:
            ValidationException: it has ended.
        """
        name, status = self._name(job), self._status(job)
        if status not in UNFINISHED:
            words = self._kind.replace("-", " ")
            raise ValidationException(
                f"The request was rejected because the {words} is in status {status}."
            )
        if status == "Stopping":
            return
        if name in self._runs:
            self._runs[name].stop()
        else:  # the plane has just been restarted: `restore` will find the job so
            job[f"{self._noun}Status"] = "Stopping"
            self._context.store.put(self._kind, name, job)

    def sessions(self) -> dict[str, int]:
        """The sessions of the running containers, by job and host (`job/algo-1`)."""
        return {
            f"{name}/{host}": pid
            for name, run in self._runs.items()
            for host, pid in run.sessions().items()
        }

    def _name(self, job: Document) -> str:
        return str(job[f"{self._noun}Name"])

    def _status(self, job: Document) -> str:
        return str(job[f"{self._noun}Status"])
