"""What a training job leaves goes to S3, and is kept on this machine where S3 will not have it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from infra.sagemaker.artifacts import pack
from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.documents import Document

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 5
"""Of an upload, twice as long after each; with `Timing.upload_retry` of 2 s they span half a
minute, in which a cloud that is being restarted is there again."""

UNSENT = "unsent"
"""Beside the folders of running jobs: those of jobs whose results could not be stored."""


class Results:
    """The archives of one job, and what becomes of its folder.

    Args:
        folder: of the job; archives are packed in it.
    """

    def __init__(self, context: PlaneContext, job: Document, folder: Path) -> None:
        self._context, self._job, self._folder = context, job, folder
        self._kept: Path = context.work / UNSENT / job["TrainingJobName"]

    async def upload(self, folders: Sequence[Path], name: str) -> S3Location:
        """Store one archive of what all hosts left in a folder.

        SageMaker joins them too, and asks that names do not clash (developer guide, *How Amazon
        SageMaker Processes Training Output*); where they do, the first host's file is taken.

        Raises:
            StorageError: S3 refuses again and again.
            OSError: there is no room for the archive.
        """
        archive, job = self._folder / name, self._job["TrainingJobName"]
        clashing = await self._context.threads.run(pack, folders, archive)
        if clashing:
            logger.warning("training job %s: several hosts wrote %s", job, ", ".join(clashing))
        output = S3Location.parse(self._job["OutputDataConfig"]["S3OutputPath"])
        location = output.child(job, "output", name)
        await self.insist(self._context.objects.upload, archive, location)
        archive.unlink()
        return location

    async def insist(self, store: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await a blocking call, ATTEMPTS times where S3 refuses.

        Raises:
            StorageError: of the last attempt.
        """
        pause = self._context.timing.upload_retry
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._context.threads.run(store, *args, **kwargs)
            except StorageError as error:
                job = self._job["TrainingJobName"]
                logger.warning("training job %s: trying again: %s", job, error.message)
            await asyncio.sleep(pause)
            pause *= 2
        return await self._context.threads.run(store, *args, **kwargs)

    async def keep(self) -> Path:
        """Put the job's folder where no later start of the plane clears it away; where that is.

        Channels go: S3 has them.
        """
        kept = await self._context.threads.run(self._keep)
        job = self._job["TrainingJobName"]
        logger.error("training job %s: what it left is not in S3, it is kept in %s", job, kept)
        return kept

    def _keep(self) -> Path:
        for inputs in self._folder.glob("*/ml/input/data"):
            shutil.rmtree(inputs, ignore_errors=True)
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        if self._folder.exists():
            shutil.rmtree(self._kept, ignore_errors=True)  # of a run of this job before
            self._folder.rename(self._kept)
        return self._kept
