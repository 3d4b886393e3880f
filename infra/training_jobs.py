"""Training jobs from this side of the wire: asked for, watched, their models fetched."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError, TrainingError
from infra.deploy.executor import TRAINING_LOGS, OnStep, apply
from infra.deploy.plan import image_uri, training_plan
from infra.deploy.roles import until_role_is_known
from infra.deploy.service import is_absent
from infra.images import TRAINING_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.deploy.scope import Scope
    from infra.targets import Target
    from infra.training_channels import Channel

logger = logging.getLogger(__name__)

RECORD_TYPE = "application/x-recordio"
METRICS: Mapping[str, str] = {
    "train:accuracy": r"Epoch\[\d+\] Train-accuracy=([0-9.]+)",
    "validation:accuracy": r"Epoch\[\d+\] Validation-accuracy=([0-9.]+)",
    "test:accuracy": r"Test-accuracy=([0-9.]+)",
}
"""What SageMaker finds in the job's log; the first two are the built-in algorithm's lines."""

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,62}")  # CreateTrainingJob's own pattern
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_POLL_SECONDS = {"aws": 5.0, "localstack": 0.5, "local": 0.5}
_FAILURES = (BotoCoreError, ClientError, Boto3Error)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job to be created.

    Attributes:
        name: unique in the account and region, for ever.
        image: the training image's URI.
        role_arn: what the job may do.
        channels: its inputs, `train` among them.
        output_uri: `s3://bucket/prefix` under which `<name>/output/model.tar.gz` is put.
        checkpoint_uri: `s3://bucket/prefix` that `/opt/ml/checkpoints` is mirrored to.
        hyperparameters: strings, as SageMaker hands them on.
        volume_gb: of the disk, which holds the records, checkpoints and artifact.
    """

    name: str
    image: str
    role_arn: str
    channels: tuple[Channel, ...]
    output_uri: str
    checkpoint_uri: str
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    volume_gb: int = 30
    max_runtime_seconds: int = 86_400

    def __post_init__(self) -> None:
        if not _JOB_NAME.fullmatch(self.name):
            raise TrainingError(
                f"training job {self.name!r}: expected up to 63 letters, digits and hyphens",
                hint="choose another --name",
            )
        if "train" not in {channel.name for channel in self.channels}:
            raise TrainingError(
                f"training job {self.name}: no train channel",
                hint="`snapshelf prepare` writes train.rec",
            )

    def request(self) -> dict[str, Any]:
        """The body of CreateTrainingJob."""
        return {
            "TrainingJobName": self.name,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": name, "Regex": regex} for name, regex in METRICS.items()
                ],
            },
            "RoleArn": self.role_arn,
            "InputDataConfig": [_input(channel) for channel in self.channels],
            "OutputDataConfig": {"S3OutputPath": self.output_uri},
            "CheckpointConfig": {"S3Uri": self.checkpoint_uri},
            "ResourceConfig": {
                "InstanceType": self.instance_type,
                "InstanceCount": self.instance_count,
                "VolumeSizeInGB": self.volume_gb,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": self.max_runtime_seconds},
            "HyperParameters": dict(self.hyperparameters),
        }


@dataclass(frozen=True, slots=True)
class TrainingJobResult:
    """What a completed job left: its artifact's URI, its metrics by name, and how long it took."""

    model_uri: str
    metrics: Mapping[str, float]
    seconds: float


def make_storage(scope: Scope, on_step: OnStep) -> None:
    """Make the bucket and the role that training jobs of this deployment need, where they lack.

    Raises:
        DeployError: a step failed.
    """
    apply(training_plan(scope, image_uri(scope, TRAINING_IMAGE)), on_step)


def plan_job(
    scope: Scope,
    channels: tuple[Channel, ...],
    hyperparameters: Mapping[str, str],
    *,
    moment: datetime | None = None,
) -> TrainingJob:
    """A job on the storage of `make_storage`, named after the deployment and the time.

    Raises:
        TrainingError: there is no train channel.
    """
    stamp = f"{moment or datetime.now(UTC):%Y%m%d%H%M%S}"
    name = f"{scope.training_job_prefix}{stamp}"
    bucket = scope.artifact_bucket
    return TrainingJob(
        name=name,
        image=image_uri(scope, TRAINING_IMAGE),
        role_arn=scope.training_role_arn,
        channels=channels,
        output_uri=f"s3://{bucket}/training",
        checkpoint_uri=f"s3://{bucket}/checkpoints/{name}",
        hyperparameters=dict(hyperparameters),
    )


def run(target: Target, job: TrainingJob, on_log: Callable[[str], None]) -> TrainingJobResult:
    """Create a job and watch it to its end; `on_log` takes the lines of its log as they come.

    KeyboardInterrupt stops the job before it goes on up.

    Raises:
        TrainingError: the job could not be created, failed, or was stopped.
    """
    sagemaker = target.client("sagemaker")
    began = time.monotonic()
    try:
        until_role_is_known(lambda: sagemaker.create_training_job(**job.request()), on_log)
        ended = _watch(target, job.name, on_log)
    except KeyboardInterrupt:
        logger.warning("stopping training job %s", job.name)
        with contextlib.suppress(*_FAILURES):  # it may not have begun, or have ended
            sagemaker.stop_training_job(TrainingJobName=job.name)
        raise
    except _FAILURES as error:
        raise TrainingError(
            f"training job {job.name}: {error}", hint="is the target up? `snapshelf status`"
        ) from error
    status = ended["TrainingJobStatus"]
    if status != "Completed":
        raise TrainingError(
            f"training job {job.name} is {status}, expected Completed:"
            f" {ended.get('FailureReason', 'no reason is given')}",
            hint=f"its log: CloudWatch Logs group {TRAINING_LOGS}, streams {job.name}/…",
        )
    metrics = {m["MetricName"]: m["Value"] for m in ended.get("FinalMetricDataList", [])}
    uri = ended["ModelArtifacts"]["S3ModelArtifacts"]
    return TrainingJobResult(uri, metrics, time.monotonic() - began)


def download_model(target: Target, uri: str, out: Path) -> Path:
    """Fetch an artifact; `out` either holds all of it in the end, or what it held before.

    Raises:
        DeployError: the URI is not `s3://bucket/key`, or there is no such object.
    """
    match = re.fullmatch(r"s3://([^/]+)/(.+)", uri)
    if match is None:
        raise DeployError(f"{uri!r}: expected s3://bucket/key")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        # boto3 fetches into a file beside `out` and renames it once all of it is there.
        target.client("s3").download_file(match[1], match[2], str(out))
    except _FAILURES as error:
        raise DeployError(
            f"{uri} cannot be fetched: {error}", hint="is the target up? `snapshelf status`"
        ) from error
    return out


def _watch(target: Target, name: str, on_log: Callable[[str], None]) -> dict[str, Any]:
    """Pass the log on until the job has ended; its description then."""
    sagemaker = target.client("sagemaker")
    tails: dict[str, str | None] = {}
    while True:
        described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        # Asked for after the status, so that the last lines of an ended job come too.
        _pass_on(target.client("logs"), name, tails, on_log)
        if described["TrainingJobStatus"] in _ENDED:
            return described
        time.sleep(_POLL_SECONDS[target.name])


def _pass_on(
    logs: Any, name: str, tails: dict[str, str | None], on_log: Callable[[str], None]
) -> None:
    """Hand on what is new in each of the job's streams; `tails` keeps where each one stood."""
    try:
        found = logs.describe_log_streams(
            logGroupName=TRAINING_LOGS, logStreamNamePrefix=f"{name}/"
        )
    except ClientError as error:
        if is_absent(error):  # the group comes with the first line of the first job
            return
        raise
    for stream in found["logStreams"]:
        _read_stream(logs, stream["logStreamName"], tails, on_log)


def _read_stream(
    logs: Any, stream: str, tails: dict[str, str | None], on_log: Callable[[str], None]
) -> None:
    while True:
        token = tails.get(stream)
        answer = logs.get_log_events(
            logGroupName=TRAINING_LOGS,
            logStreamName=stream,
            startFromHead=True,
            **({"nextToken": token} if token else {}),
        )
        for event in answer["events"]:
            on_log(event["message"])
        tails[stream] = answer["nextForwardToken"]
        if tails[stream] == token:  # CloudWatch Logs' sign that there is no more yet
            return


def _input(channel: Channel) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": channel.uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": channel.name,
        "DataSource": {"S3DataSource": source},
        "ContentType": RECORD_TYPE,
        "InputMode": "File",
    }
