"""AWS's own clients, unmodified, over the local cloud: the SageMaker SDK, `aws` and `awslocal`.

They bring another botocore, so they stand in environments of their own, which a variable names.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from drawn_photos import SHAPES, draw_photos

from infra import training_jobs
from infra.deploy.scope import scope_of
from infra.images import INFERENCE_IMAGE, TRAINING_IMAGE
from infra.targets import resolve_target
from infra.training_channels import upload_records
from recordio_prep import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.launch import CloudInfo

SDKS = {
    "2": ("sagemaker_sdk_walk.py", "SNAPSHELF_SAGEMAKER_PYTHON"),
    "3": ("sagemaker_sdk3_walk.py", "SNAPSHELF_SAGEMAKER3_PYTHON"),
}
"""The SDK's versions: the program that uses it, and the variable that names an interpreter."""
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
HYPERPARAMETERS = {
    "num_layers": "20",
    "image_shape": "3,28,28",
    "epochs": "2",
    "mini_batch_size": "16",
    "learning_rate": "0.05",
}

QUIET = """
SchemaVersion: '1.0'
SageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}
"""
"""The SDK's own setting, by which it does not report its use to AWS."""


def interpreter(variable: str, what: str) -> Path:
    """The interpreter that a variable names; without one the test is skipped."""
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"{what} is absent; name an interpreter that has it by {variable}")
    return Path(named)


@pytest.fixture(scope="module")
def settings(cloud: CloudInfo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A bucket with records and photos in it, and what a client needs to know of them."""
    root = tmp_path_factory.mktemp("clients")
    draw_photos(root / "train", 16, seed=1)
    draw_photos(root / "test", 2, seed=2)
    prepare(root / "train", root / "records", size=28)
    target = resolve_target("local", port=cloud.port, environ={})
    scope = scope_of("clients", target)
    training_jobs.make_storage(scope, lambda *_: None)
    channels = upload_records(target, root / "records", scope.artifact_bucket)
    photos = sorted((root / "test").rglob("*.jpg"))
    for path in photos:
        key = f"photos/{path.parent.name}-{path.name}"
        target.client("s3").upload_file(str(path), scope.artifact_bucket, key)
    return {
        "bucket": scope.artifact_bucket,
        "role": scope.training_role_arn,
        "training_image": f"{REGISTRY}/{TRAINING_IMAGE.repository}:latest",
        "inference_image": f"{REGISTRY}/{INFERENCE_IMAGE.repository}:latest",
        "channels": {channel.name: channel.uri for channel in channels},
        "hyperparameters": HYPERPARAMETERS,
        "photo": str(photos[0]),
        "photos": f"s3://{scope.artifact_bucket}/photos/",
        "count": len(photos),
        "home": str(root),
    }


def user_environment(settings: dict[str, Any], cloud: CloudInfo) -> dict[str, str]:
    """A user's: credentials of no worth, and the one address that differs from AWS's."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": settings["home"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
    }


def assert_nothing_is_left(aws: Callable[[str], Any]) -> None:
    """No endpoint, configuration or model of the walk stands any more."""
    sagemaker = aws("sagemaker")
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
    for one in sagemaker.list_endpoints()["Endpoints"]:
        assert one["EndpointStatus"] == "Deleting"


@pytest.mark.timeout(600)  # the SDK looks every 30 seconds whether an endpoint is there
@pytest.mark.parametrize("version", SDKS)
def test_the_sagemaker_sdk_fits_deploys_predicts_transforms_and_deletes(
    version: str, settings: dict[str, Any], cloud: CloudInfo, aws: Callable[[str], Any]
) -> None:
    """Its classes for all of these, told nothing but the endpoint's address."""
    program, variable = SDKS[version]
    python = interpreter(variable, f"SageMaker's Python SDK {version}.x")
    told = Path(settings["home"], "settings.json")
    told.write_text(json.dumps(settings))
    config = Path(settings["home"], "sagemaker.yaml")
    config.write_text(QUIET)
    environment = user_environment(settings, cloud) | {
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        "COLUMNS": "200",  # it breaks the log's lines
    }
    run = subprocess.run(
        [python, "-W", "ignore", Path(__file__).with_name(program), told],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    seen = json.loads(run.stdout.splitlines()[-1])
    assert "Epoch[1] Validation-accuracy=" in run.stdout + run.stderr, "the job's log is followed"
    assert seen["model"] == f"s3://{settings['bucket']}/sdk/{seen['job']}/output/model.tar.gz"
    assert len(seen["answer"]) == len(SHAPES)
    assert sum(seen["answer"]) == pytest.approx(1, abs=1e-5)
    prefix = seen["transformed"].removeprefix(f"s3://{settings['bucket']}/")
    stored = aws("s3").list_objects_v2(Bucket=settings["bucket"], Prefix=prefix)
    assert stored["KeyCount"] == settings["count"]
    assert_nothing_is_left(aws)


class CommandLine:
    """`aws` or `awslocal`, and what the commands of one walk have in common."""

    def __init__(self, program: Path, settings: dict[str, Any], cloud: CloudInfo) -> None:
        self._program = program
        self._environment = user_environment(settings, cloud)
        if program.name == "awslocal":  # it finds the cloud as it finds LocalStack
            del self._environment["AWS_ENDPOINT_URL"]
            self._environment["LOCALSTACK_HOST"] = f"127.0.0.1:{cloud.port}"
        self.settings = settings
        self.bucket, self.name = settings["bucket"], program.name
        self.resources = "InstanceType=ml.m5.large,InstanceCount=1"

    def __call__(self, *arguments: str) -> dict[str, Any]:
        """Run a command; its answer, empty where it prints none."""
        run = subprocess.run(
            [self._program, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout) if run.stdout.strip() else {}

    def until(self, status: str, *arguments: str) -> dict[str, Any]:
        """Describe until a status is none of those that pass; the CLI's waiters look rarely."""
        deadline = time.monotonic() + 120
        while (found := self(*arguments))[status] in ("InProgress", "Creating", "Stopping"):
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
        return found

    def train(self) -> str:
        """A training job to its end; its artifact."""
        sources = [
            {"ChannelName": name, "DataSource": {"S3DataSource": prefix(uri)}}
            for name, uri in self.settings["channels"].items()
        ]
        image = self.settings["training_image"]
        self(
            *("sagemaker", "create-training-job", "--training-job-name", self.name),
            *("--algorithm-specification", f"TrainingImage={image},TrainingInputMode=File"),
            *("--role-arn", self.settings["role"], "--input-data-config", json.dumps(sources)),
            *("--output-data-config", f"S3OutputPath=s3://{self.bucket}/cli"),
            *("--resource-config", f"{self.resources},VolumeSizeInGB=1"),
            *("--stopping-condition", "MaxRuntimeInSeconds=600"),
            *("--hyper-parameters", json.dumps(HYPERPARAMETERS)),
        )
        described = ("sagemaker", "describe-training-job", "--training-job-name", self.name)
        job = self.until("TrainingJobStatus", *described)
        assert job["TrainingJobStatus"] == "Completed", job
        waiter = "training-job-completed-or-stopped"
        self("sagemaker", "wait", waiter, "--training-job-name", self.name)
        artifact: str = job["ModelArtifacts"]["S3ModelArtifacts"]
        return artifact

    def serve(self, artifact: str) -> None:
        """Model, configuration and endpoint, in service."""
        container = f"Image={self.settings['inference_image']},ModelDataUrl={artifact}"
        self(
            *("sagemaker", "create-model", "--model-name", self.name),
            *("--primary-container", container),
            *("--execution-role-arn", self.settings["role"]),
        )
        variant = f"VariantName=AllTraffic,ModelName={self.name},InitialInstanceCount=1"
        self(
            *("sagemaker", "create-endpoint-config", "--endpoint-config-name", self.name),
            *("--production-variants", f"{variant},InstanceType=ml.m5.large"),
        )
        named = ("--endpoint-name", self.name)
        config = ("--endpoint-config-name", self.name)
        self("sagemaker", "create-endpoint", *named, *config)
        endpoint = self.until("EndpointStatus", "sagemaker", "describe-endpoint", *named)
        assert endpoint["EndpointStatus"] == "InService", endpoint
        self("sagemaker", "wait", "endpoint-in-service", *named)

    def invoke(self, out: Path) -> list[float]:
        """The endpoint's answer to a photo."""
        answer = self(
            *("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", self.name),
            *("--body", f"fileb://{self.settings['photo']}"),
            *("--content-type", "image/jpeg", str(out)),
        )
        assert answer["InvokedProductionVariant"] == "AllTraffic"
        probabilities: list[float] = json.loads(out.read_text())
        return probabilities

    def transform(self) -> list[str]:
        """Every photo of a prefix; the keys of the answers."""
        source = {"S3DataSource": prefix(self.settings["photos"])}
        taken = {"ContentType": "image/jpeg", "DataSource": source}
        named = ("--transform-job-name", self.name)
        self(
            *("sagemaker", "create-transform-job", *named, "--model-name", self.name),
            *("--transform-input", json.dumps(taken)),
            *("--transform-output", f"S3OutputPath=s3://{self.bucket}/{self.name}"),
            *("--transform-resources", self.resources),
        )
        described = ("sagemaker", "describe-transform-job", *named)
        job = self.until("TransformJobStatus", *described)
        assert job["TransformJobStatus"] == "Completed", job
        self("sagemaker", "wait", "transform-job-completed-or-stopped", *named)
        place = ("--bucket", self.bucket, "--prefix", f"{self.name}/")
        return [one["Key"] for one in self("s3api", "list-objects-v2", *place)["Contents"]]

    def delete(self) -> None:
        """What `serve` made."""
        self("sagemaker", "delete-endpoint", "--endpoint-name", self.name)
        self("sagemaker", "delete-endpoint-config", "--endpoint-config-name", self.name)
        self("sagemaker", "delete-model", "--model-name", self.name)
        self("sagemaker", "wait", "endpoint-deleted", "--endpoint-name", self.name)


def prefix(uri: str) -> dict[str, str]:
    """An S3DataSource of everything below a prefix."""
    return {"S3DataType": "S3Prefix", "S3Uri": uri}


@pytest.mark.timeout(600)  # some twenty commands, a second or more each
@pytest.mark.parametrize("program", ["aws", "awslocal"])
def test_the_command_line_trains_serves_invokes_transforms_and_deletes(
    program: str,
    cloud: CloudInfo,
    settings: dict[str, Any],
    aws: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    """The same walk, command by command."""
    python = interpreter("SNAPSHELF_AWSCLI_PYTHON", "the aws command line")
    command = python.with_name(program)
    if not command.exists():
        pytest.skip(f"{program} is absent beside {python}")
    line = CommandLine(command, settings, cloud)
    line.serve(line.train())
    answer = line.invoke(tmp_path / "answer.json")
    assert len(answer) == len(SHAPES)
    assert sum(answer) == pytest.approx(1, abs=1e-5)
    keys = line.transform()
    assert len(keys) == settings["count"]
    assert all(key.endswith(".jpg.out") for key in keys)
    line.delete()
    assert_nothing_is_left(aws)
