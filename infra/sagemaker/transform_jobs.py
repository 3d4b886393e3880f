"""CreateTransformJob, DescribeTransformJob, ListTransformJobs and StopTransformJob."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

from contracts import DeployError
from infra.images import SERVE
from infra.sagemaker.documents import TRANSFORM_JOB, Document, now
from infra.sagemaker.errors import ResourceInUse, ValidationException
from infra.sagemaker.listing import page
from infra.sagemaker.models import artifact_uri, find_model, model_container
from infra.sagemaker.transform_requests import check_request
from infra.sagemaker.transform_run import TransformRun

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations

UNFINISHED = ("InProgress", "Stopping")


class TransformJobs:
    """Transform jobs: their documents, and the runs that are under way."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._runs: dict[str, TransformRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "ListTransformJobs": self.list_page,
            "StopTransformJob": self.stop_job,
        }

    async def restore(self) -> None:
        """Go on with what the plane's end interrupted; clear away what belongs to no job."""
        folder = self._context.work / TRANSFORM_JOB
        jobs = self._context.store.all(TRANSFORM_JOB)
        unfinished = {
            job["TransformJobName"]: job for job in jobs if job["TransformJobStatus"] in UNFINISHED
        }
        for left in folder.iterdir() if folder.exists() else ():
            if left.name not in unfinished:
                await self._context.threads.run(shutil.rmtree, left, ignore_errors=True)
        for name, job in unfinished.items():
            if name not in self._runs:
                self._start(job, resumed=True)

    async def close(self) -> None:
        """End every container; the jobs stay unfinished, and `restore` goes on with them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Check everything that can be checked before the job starts, then start it."""
        name, store = request["TransformJobName"], self._context.store
        check_request(request)
        arn = store.arn(TRANSFORM_JOB, name)
        if store.get(TRANSFORM_JOB, name) is not None:
            raise ResourceInUse(
                "Transform job names must be unique within an AWS account and region, and a "
                f"transform job with this name already exists ({arn})"
            )
        container = model_container(find_model(self._context, request["ModelName"]))
        self._check_image(container["Image"])
        moment = now()
        job = {
            **request,
            "TransformJobArn": arn,
            "TransformJobStatus": "InProgress",
            "CreationTime": moment,
            "LastModifiedTime": moment,
            "ModelContainer": container,  # the job goes on should its model be deleted meanwhile
            "ModelArtifact": artifact_uri(container),
        }
        store.put(TRANSFORM_JOB, name, job)
        self._start(job)
        return {"TransformJobArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The job's document."""
        return self._find(request["TransformJobName"])

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of jobs."""
        return page(
            self._context.store.all(TRANSFORM_JOB),
            request,
            kind="TransformJob",
            member="TransformJobSummaries",
            default_order="Descending",
        )

    async def stop_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a running job to end; one that is stopping already is left to it."""
        job = self._find(request["TransformJobName"])
        status = job["TransformJobStatus"]
        if status not in UNFINISHED:
            raise ValidationException(
                f"The request was rejected because the transform job is in status {status}."
            )
        run = self._runs.get(job["TransformJobName"])
        if run is not None and status == "InProgress":
            run.stop()
        elif run is None:  # the plane has just been restarted: `restore` will find it so
            job["TransformJobStatus"] = "Stopping"
            self._context.store.put(TRANSFORM_JOB, job["TransformJobName"], job)
        return {}

    def _start(self, job: Document, *, resumed: bool = False) -> None:
        name = job["TransformJobName"]
        self._runs[name] = run = TransformRun(self._context, job, resumed=resumed)
        task = asyncio.create_task(run.run(), name=f"transform job {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._runs.pop(name, None))

    def _find(self, name: str) -> Document:
        job = self._context.store.get(TRANSFORM_JOB, name)
        if job is None:
            # As for training jobs the model says ResourceNotFound, while the waiters of boto3
            # count on a ValidationException.
            raise ValidationException(f"Could not find requested job with name: {name}")
        return job

    def _check_image(self, image: str) -> None:
        try:
            self._context.images.argv(image, SERVE)
        except DeployError as error:
            raise ValidationException(error.message) from None
