"""The batch transforms of a night: begun, waited for, and begun again where one failed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from batch.errors import BatchError
from contracts import ANY_IMAGE, JSON_VERBOSE

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_sagemaker.client import SageMakerClient

    from batch.night import Night
    from batch.order import Order, Place

_UNDER_WAY = ("InProgress", "Stopping")
_MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """How a night's transform ended.

    Attributes:
        job: its name.
        reason: FailureReason, which may name the first photo that failed; empty where none did.
    """

    job: str
    reason: str = ""

    def reasons(self, failed: Collection[str]) -> dict[str, str]:
        """Why each of `failed` has no answer; where the job's reason names one, it is that one's.

        Of the names that stand in it the longest is meant: `b.png` stands in `sub/b.png` too.
        """
        named = max((name for name in failed if name in self.reason), key=len, default=None)
        told = f"{self.job}: {self.reason}"
        other = f"{self.job} has no answer to it; the job's log tells why"
        return {name: told if self.reason and named in (None, name) else other for name in failed}


class Transforms:
    """Batch transforms named after a night.

    Args:
        sagemaker: the client.
        night: whose photos.
        name: what jobs are called, in front of the night and a number.
    """

    def __init__(self, sagemaker: SageMakerClient, night: Night, name: str) -> None:
        self._sagemaker, self._night, self._name = sagemaker, night, name

    def finish(self, order: Order, until: float, *, poll_seconds: float) -> Ending:
        """Take the night's transform to its end, whichever start of the function began it.

        One that was stopped, or failed without an answer to any photo, is followed by another about
        what is left.

        Args:
            order: what is asked for.
            until: when to stop waiting, on the clock of `time.monotonic`.
            poll_seconds: between two looks.

        Raises:
            BatchError: there is no end yet at `until`, or the transform fails again and again.
        """
        for number in range(1, _MOST_ATTEMPTS + 1):
            job = self._describe(number) or self._begin(order, number)
            job = self._wait(job, until, poll_seconds)
            if job["TransformJobStatus"] == "Completed":
                return Ending(job["TransformJobName"])
            if job["TransformJobStatus"] == "Failed" and self._night.has_answers():
                return Ending(job["TransformJobName"], job.get("FailureReason", ""))
        raise BatchError(
            f"{job['TransformJobName']} is the night's {_MOST_ATTEMPTS}. transform that ended"
            f" without answers: {job.get('FailureReason', job['TransformJobStatus'])}",
            hint="mend the cause, delete the night's folder below nights/, and start again",
        )

    def _wait(self, job: dict[str, Any], until: float, poll_seconds: float) -> dict[str, Any]:
        name = job["TransformJobName"]
        while job["TransformJobStatus"] in _UNDER_WAY:
            if time.monotonic() > until:
                raise BatchError(
                    f"{name} is {job['TransformJobStatus']} at the end of the function's time",
                    hint="it goes on by itself; the next start writes the table",
                )
            time.sleep(poll_seconds)
            job = dict(self._sagemaker.describe_transform_job(TransformJobName=name))
        return job

    def _job_name(self, number: int) -> str:
        """At most 63 letters, digits and hyphens (CreateTransformJob)."""
        return f"{self._name}-{self._night.name}-{number}"

    def _describe(self, number: int) -> dict[str, Any] | None:
        try:
            found = self._sagemaker.describe_transform_job(TransformJobName=self._job_name(number))
        except ClientError as error:
            told = error.response["Error"]
            if told["Code"] == "ResourceNotFound" or "Could not find" in told["Message"]:
                return None
            raise
        return dict(found)

    def _begin(self, order: Order, number: int) -> dict[str, Any]:
        name = self._job_name(number)
        manifest = self._night.manifest(1) if number == 1 else self._night.begin_again(number)
        if manifest is None:
            raise BatchError(f"night {self._night.name} has no manifest", hint="start again")
        try:
            self._create(name, order, manifest)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":  # another start was first
                raise
        return dict(self._sagemaker.describe_transform_job(TransformJobName=name))

    def _create(self, name: str, order: Order, manifest: Place) -> None:
        answers = self._night.answers
        self._sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=self._model(order.endpoint),
            TransformInput={
                "ContentType": ANY_IMAGE,
                "DataSource": {
                    "S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": str(manifest)}
                },
            },
            TransformOutput={"Accept": JSON_VERBOSE, "S3OutputPath": str(answers).rstrip("/")},
            TransformResources={"InstanceType": order.instance_type, "InstanceCount": 1},  # type: ignore[typeddict-item]  # any type that AWS has
        )

    def _model(self, endpoint: str) -> str:
        """The model that the endpoint has in service now; of several, the one with most traffic."""
        standing = self._sagemaker.describe_endpoint(EndpointName=endpoint)
        config = self._sagemaker.describe_endpoint_config(
            EndpointConfigName=standing["EndpointConfigName"]
        )
        weights = {
            each["VariantName"]: each.get("CurrentWeight", 0.0)
            for each in standing.get("ProductionVariants", [])
        }
        variants = config["ProductionVariants"]
        return max(variants, key=lambda each: weights.get(each["VariantName"], 0.0))["ModelName"]
