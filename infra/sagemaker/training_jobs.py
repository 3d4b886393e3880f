"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs and StopTrainingJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import DeployError
from infra.images import TRAIN
from infra.sagemaker.documents import TRAINING_JOB, Document, now
from infra.sagemaker.errors import ResourceInUse, ValidationException
from infra.sagemaker.job_runs import JobRuns
from infra.sagemaker.listing import page
from infra.sagemaker.metrics import check_definitions
from infra.sagemaker.object_store import StorageError
from infra.sagemaker.training_requests import check_request
from infra.sagemaker.training_run import TrainingRun
from infra.sagemaker.training_sources import PREFIX, ChannelSource

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations

DEFAULT_RUNTIME_SECONDS = 86_400
"""MaxRuntimeInSeconds where the request gives none (API reference, StoppingCondition)."""


class TrainingJobs:
    """Training jobs: their documents, and their runs."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self.runs = JobRuns(context, TRAINING_JOB, "TrainingJob", TrainingRun)

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list_page,
            "StopTrainingJob": self.stop_job,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Check everything that can be checked before the job starts, then start it."""
        name, store = request["TrainingJobName"], self._context.store
        check_request(request)
        self._check_image(request["AlgorithmSpecification"]["TrainingImage"])
        check_definitions(request["AlgorithmSpecification"].get("MetricDefinitions", []))
        self._check_free(name)
        mode = request["AlgorithmSpecification"]["TrainingInputMode"]
        for channel in request.get("InputDataConfig", []):
            source = ChannelSource.parse(channel, mode)
            await self._check_channel(source, request["RoleArn"])
        self._check_free(name)
        arn, moment = store.arn(TRAINING_JOB, name), now()
        message = "Preparing the instances for training"
        job = {
            "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_RUNTIME_SECONDS},
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
            **request,
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "SecondaryStatusTransitions": [
                {"Status": "Starting", "StartTime": moment, "StatusMessage": message}
            ],
            "ModelArtifacts": {"S3ModelArtifacts": ""},
            "CreationTime": moment,
            "LastModifiedTime": moment,
        }
        job["StoppingCondition"].setdefault("MaxRuntimeInSeconds", DEFAULT_RUNTIME_SECONDS)
        store.put(TRAINING_JOB, name, job)
        self.runs.start(job)
        return {"TrainingJobArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The job's document."""
        return self._find(request["TrainingJobName"])

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of jobs."""
        return page(
            self._context.store.all(TRAINING_JOB),
            request,
            kind="TrainingJob",
            member="TrainingJobSummaries",
            default_order="Ascending",
        )

    async def stop_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a running job to end; one that is stopping already is left to it."""
        self.runs.stop(self._find(request["TrainingJobName"]))
        return {}

    def _find(self, name: str) -> Document:
        job = self._context.store.get(TRAINING_JOB, name)
        if job is None:
            # The model says ResourceNotFound; the service answers this (aws/aws-sdk#165), and the
            # waiters of boto3 count on it.
            raise ValidationException("Requested resource not found.")
        return job

    def _check_free(self, name: str) -> None:
        if self._context.store.get(TRAINING_JOB, name) is not None:
            raise ResourceInUse(
                "Training job names must be unique within an AWS account and region, and a "
                "training job with this name already exists "
                f"({self._context.store.arn(TRAINING_JOB, name)})"
            )

    def _check_image(self, image: str) -> None:
        try:
            self._context.images.argv(image, TRAIN)
        except DeployError as error:
            raise ValidationException(error.message) from None

    async def _check_channel(self, source: ChannelSource, role: str) -> None:
        location, objects, cause = source.location, self._context.objects, ""
        look = objects.keys if source.data_type == PREFIX else objects.exists
        found: list[str] | bool
        try:
            found = await self._context.threads.run(look, location)
        except StorageError as error:
            found, cause = False, f" Error message from S3: {error.message}"
        if not found:
            raise ValidationException(
                f'No S3 objects found under S3 URL "{location}" given in input data source. Please '
                "ensure that the bucket exists in the selected region "
                f"({self._context.region}), that objects exist under that S3 prefix, and that the "
                f'role "{role}" has "s3:ListBucket" permissions on bucket '
                f'"{location.bucket}".{cause}'
            )
