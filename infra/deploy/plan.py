"""The plan of a deployment: the resources it wants, each behind those that it needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, DeployError
from infra.deploy.bundle import BUILD_DIR, LAMBDA_DIR, Bundle, build_bundle
from infra.deploy.page import PAGE_CONFIG, WEB_DIR, page_files
from infra.deploy.policies import (
    MODEL_PREFIX,
    function_policy,
    hosting_policy,
    training_policy,
)
from infra.deploy.resources import (
    Bucket,
    Endpoint,
    EndpointConfig,
    Files,
    Function,
    InvokePermission,
    LogGroup,
    Model,
    PageConfig,
    Resource,
    RestApi,
    Role,
    StoredFile,
    label,
)
from infra.deploy.swagger import complete_swagger
from infra.images import INFERENCE_IMAGE, Image

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.scope import Scope

_LOG_RETENTION_DAYS = 30


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a person may choose about a deployment.

    Attributes:
        artifact: the `model.tar.gz`, or a folder that holds one.
        image: the inference image; by default the local one's name, or on AWS this account's ECR.
        instance_type: what the endpoint runs on.
        instance_count: how many of them.
    """

    artifact: Path
    image: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    lambda_dir: Path = LAMBDA_DIR
    web_dir: Path = WEB_DIR
    build_dir: Path = BUILD_DIR

    def __post_init__(self) -> None:
        if self.instance_count < 1:
            raise DeployError(
                f"instance count {self.instance_count}: expected 1 or more",
                hint="an endpoint needs at least one instance",
            )


@dataclass(frozen=True, slots=True)
class Planned:
    """A resource and the labels of those that must stand before it."""

    resource: Resource
    after: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return label(self.resource)


@dataclass(frozen=True, slots=True)
class Plan:
    """Resources in the order in which they are made.

    Raises:
        ValueError: a resource comes before one that it needs, or twice. That is a bug.
    """

    scope: Scope
    planned: tuple[Planned, ...]

    def __post_init__(self) -> None:
        standing: set[str] = set()
        for planned in self.planned:
            if missing := set(planned.after) - standing:
                raise ValueError(f"{planned.label} comes before {sorted(missing)}")
            if planned.label in standing:
                raise ValueError(f"{planned.label} is planned twice")
            standing.add(planned.label)


def build_plan(scope: Scope, options: DeployOptions) -> Plan:
    """Everything that photo classification needs: artifact, endpoint, function, API and page.

    Raises:
        DeployError: the artifact, the page or the Chalice project is not there or not valid.
    """
    bundle = build_bundle(
        allowed_origin=scope.allowed_origin,
        lambda_dir=options.lambda_dir,
        build_dir=options.build_dir,
    )
    image = options.image or image_uri(scope, INFERENCE_IMAGE)
    planned = (
        Planned(Bucket(scope.artifact_bucket)),
        *_endpoint(scope, options, image),
        *_api(scope, bundle),
        *_page(scope, options.web_dir),
    )
    return Plan(scope, planned)


def training_plan(scope: Scope, image: str) -> Plan:
    """What a training job needs, before any deployment: the bucket and the job's role."""
    role = Role(scope.training_role, "sagemaker", training_policy(scope, image))
    return Plan(scope, (Planned(Bucket(scope.artifact_bucket)), Planned(role)))


def image_uri(scope: Scope, image: Image) -> str:
    """An image of ours: by its name, or on AWS in the account's ECR repository of that name."""
    if scope.target.name != "aws":
        return image.repository
    registry = f"{scope.account_id}.dkr.ecr.{scope.target.region}.amazonaws.com"
    return f"{registry}/{image.repository}:latest"


def find_artifact(path: Path) -> Path:
    """The artifact that `path` names: itself, or `model.tar.gz` in it.

    Raises:
        DeployError: there is none.
    """
    artifact = path / ARTIFACT_FILE if path.is_dir() else path
    if not artifact.is_file():
        raise DeployError(
            f"{artifact}: no such file", hint="train a model first: `snapshelf train RECORDS`"
        )
    return artifact


def _endpoint(scope: Scope, options: DeployOptions, image: str) -> tuple[Planned, ...]:
    source = find_artifact(options.artifact)
    with source.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    key = f"{MODEL_PREFIX}/{sha256[:12]}/{ARTIFACT_FILE}"
    stored = StoredFile(key, source, sha256, "application/gzip", "private, max-age=31536000")
    artifact = Files(f"model {sha256[:12]}", scope.artifact_bucket, (stored,))
    revision = _revision(scope, sha256, image, options)
    url = f"s3://{scope.artifact_bucket}/{key}"
    model = Model(revision, image, url, scope.hosting_role_arn)
    config = EndpointConfig(revision, revision, options.instance_type, options.instance_count)
    role = Role(scope.hosting_role, "sagemaker", hosting_policy(scope, image))
    return (
        Planned(role),
        Planned(artifact, after=(f"bucket {scope.artifact_bucket}",)),
        Planned(model, after=(label(artifact), label(role))),
        Planned(config, after=(label(model),)),
        Planned(Endpoint(scope.endpoint, revision), after=(label(config),)),
    )


def _revision(scope: Scope, sha256: str, image: str, options: DeployOptions) -> str:
    """The name of model and configuration: SageMaker changes neither, so a change is a new name."""
    facts = [sha256, image, options.instance_type, options.instance_count]
    return f"{scope.name}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]}"


def _api(scope: Scope, bundle: Bundle) -> tuple[Planned, ...]:
    role = Role(scope.lambda_role, "lambda", function_policy(scope))
    logs = LogGroup(scope.function_logs, _LOG_RETENTION_DAYS)
    function = Function(
        scope.function,
        bundle.package,
        bundle.code_sha256,
        scope.lambda_role_arn,
        function_environment(scope),
    )
    api = RestApi(scope.api, complete_swagger(bundle.swagger, scope))
    permission = InvokePermission(scope.function, scope.api)
    endpoint = f"endpoint {scope.endpoint}"
    return (
        Planned(role),
        Planned(logs),
        Planned(function, after=(label(role), label(logs), endpoint)),
        Planned(api, after=(label(function),)),
        Planned(permission, after=(label(api),)),
    )


def function_environment(scope: Scope) -> tuple[tuple[str, str], ...]:
    """The function's variables, sorted by name."""
    variables = {"ALLOWED_ORIGIN": scope.allowed_origin, "ENDPOINT_NAME": scope.endpoint}
    if scope.target.name == "localstack" and scope.target.sagemaker_endpoint_url:
        # LocalStack's Lambdas would look for SageMaker in LocalStack, which has none.
        variables["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] = scope.target.sagemaker_endpoint_url
    return tuple(sorted(variables.items()))


def _page(scope: Scope, web_dir: Path) -> tuple[Planned, ...]:
    bucket = Bucket(scope.web_bucket, website=True)
    files = page_files(web_dir)
    page = Files("page", scope.web_bucket, files, complete=True, keep=(PAGE_CONFIG,))
    config = PageConfig(scope.web_bucket, scope.api)
    return (
        Planned(bucket),
        Planned(page, after=(label(bucket),)),
        Planned(config, after=(label(page), f"REST API {scope.api}")),
    )
