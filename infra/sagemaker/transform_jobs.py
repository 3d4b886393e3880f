"""CreateTransformJob, DescribeTransformJob, ListTransformJobs and StopTransformJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import DeployError
from infra.images import SERVE
from infra.sagemaker.documents import TRANSFORM_JOB, Document, now
from infra.sagemaker.errors import ResourceInUse, ValidationException
from infra.sagemaker.job_runs import JobRuns
from infra.sagemaker.listing import page
from infra.sagemaker.model_containers import artifact_uri, model_container
from infra.sagemaker.models import find_model
from infra.sagemaker.transform_requests import check_request
from infra.sagemaker.transform_run import TransformRun

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations


class TransformJobs:
    """Transform jobs: their documents, and their runs."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self.runs = JobRuns(context, TRANSFORM_JOB, "TransformJob", TransformRun)

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "ListTransformJobs": self.list_page,
            "StopTransformJob": self.stop_job,
        }

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
        self.runs.start(job)
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
        self.runs.stop(self._find(request["TransformJobName"]))
        return {}

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
