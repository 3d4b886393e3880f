"""The plan of a deployment: the resources it wants, each behind those that it needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE
from infra.deploy.bundle import Bundle, build_bundle
from infra.deploy.model_bundle import MODEL_FOLDER, build_model_bundle
from infra.deploy.options import DeployOptions, find_artifact
from infra.deploy.page import PAGE_CONFIG, page_files
from infra.deploy.policies import (
    CAPTURE_PREFIX,
    FUNCTION_PREFIX,
    MODEL_PREFIX,
    function_policy,
    hosting_policy,
    training_policy,
)
from infra.deploy.resources import (
    ApiKey,
    Bucket,
    Capture,
    Endpoint,
    EndpointConfig,
    Files,
    Function,
    InvokePermission,
    Leftovers,
    LogGroup,
    Model,
    PageConfig,
    Resource,
    RestApi,
    Role,
    Served,
    StoredFile,
    UsageLimits,
    label,
)
from infra.deploy.storage import FOR_EVER
from infra.deploy.swagger import complete_swagger
from infra.images import FUNCTION_PROGRAM, INFERENCE_IMAGE, Image

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.scope import Scope

LOG_RETENTION_DAYS = 30


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
    """Everything that photo classification needs: the model behind an endpoint or in the function.

    Raises:
        DeployError: the artifact, the page or the Chalice project is not there or not valid.
    """
    bundle = build_bundle(
        allowed_origin=scope.allowed_origin,
        lambda_dir=options.lambda_dir,
        build_dir=options.build_dir,
    )
    if options.lambda_only:
        answering, leftovers = _function_with_model(scope, options, bundle)
    else:
        answering, leftovers = _endpoint_and_function(scope, options, bundle)
    planned = (
        Planned(Bucket(scope.artifact_bucket)),
        *answering,
        *_api(scope, bundle, options.limits),
        *_page(scope, options.web_dir, asks_for_key=options.limits is not None),
    )
    everything = tuple(each.label for each in planned)
    return Plan(scope, (*planned, Planned(leftovers, after=everything)))


def model_plan(scope: Scope, options: DeployOptions) -> Plan:
    """The endpoint alone, with the bucket that its model lies in: no function, API or page."""
    planned, _ = _endpoint(scope, options, scope.endpoint, options.artifact)
    return Plan(scope, (Planned(Bucket(scope.artifact_bucket)), _hosting(scope, options), *planned))


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


def _endpoint_and_function(
    scope: Scope, options: DeployOptions, bundle: Bundle
) -> tuple[tuple[Planned, ...], Leftovers]:
    endpoint, served = _endpoint(scope, options, scope.endpoint, options.artifact)
    others = [
        _endpoint(scope, options, scope.endpoint_of(name), artifact)
        for name, artifact in options.models
    ]
    function = Function(
        scope.function,
        bundle.package,
        bundle.code_sha256,
        scope.lambda_role_arn,
        function_environment(scope, options),
    )
    after = [f"endpoint {each.endpoint}" for each in (served, *(other for _, other in others))]
    behind = (
        _hosting(scope, options),
        *endpoint,
        *(each for planned, _ in others for each in planned),
        *_function(scope, function, options, after=tuple(after)),
    )
    leftovers = Leftovers(
        scope.name,
        served.revision,
        artifact=served.artifact,
        has_key=options.limits is not None,
        others=tuple(other for _, other in others),
    )
    return behind, leftovers


def _hosting(scope: Scope, options: DeployOptions) -> Planned:
    image = options.image or image_uri(scope, INFERENCE_IMAGE)
    policy = hosting_policy(scope, image, capture=options.data_capture is not None)
    return Planned(Role(scope.hosting_role, "sagemaker", policy))


def _endpoint(
    scope: Scope, options: DeployOptions, endpoint: str, artifact_path: Path
) -> tuple[tuple[Planned, ...], Served]:
    """A model and the endpoint that it is behind; the hosting role stands already."""
    image = options.image or image_uri(scope, INFERENCE_IMAGE)
    source = find_artifact(artifact_path)
    sha256 = _sha256(source)
    key = f"{MODEL_PREFIX}/{sha256[:12]}/{ARTIFACT_FILE}"
    stored = StoredFile(key, source, sha256, "application/gzip", FOR_EVER)
    further = endpoint != scope.endpoint
    told = f"{endpoint} {sha256[:12]}" if further else sha256[:12]
    artifact = Files(f"model {told}", scope.artifact_bucket, (stored,))
    revision = _revision(scope, sha256, image, options, *([endpoint] if further else []))
    url = f"s3://{scope.artifact_bucket}/{key}"
    model = Model(revision, image, url, scope.hosting_role_arn)
    config = EndpointConfig(
        revision, revision, options.instance_type, options.instance_count, _capture(scope, options)
    )
    planned = (
        Planned(artifact, after=(f"bucket {scope.artifact_bucket}",)),
        Planned(model, after=(label(artifact), f"role {scope.hosting_role}")),
        Planned(config, after=(label(model),)),
        Planned(Endpoint(endpoint, revision), after=(label(config),)),
    )
    return planned, Served(endpoint, revision, key)


def _capture(scope: Scope, options: DeployOptions) -> Capture | None:
    if options.data_capture is None:
        return None
    return Capture(options.data_capture, f"s3://{scope.artifact_bucket}/{CAPTURE_PREFIX}")


def _function_with_model(
    scope: Scope, options: DeployOptions, bundle: Bundle
) -> tuple[tuple[Planned, ...], Leftovers]:
    artifact = find_artifact(options.artifact)
    built = build_model_bundle(bundle.package, artifact, options.build_dir)
    memory = built.memory(options.memory_mb)
    key = f"{FUNCTION_PREFIX}/{built.sha256[:12]}/{built.package.name}"
    stored = StoredFile(key, built.package, built.sha256, "application/zip", FOR_EVER)
    zipped = Files(f"function {built.sha256[:12]}", scope.artifact_bucket, (stored,))
    function = Function(
        scope.function,
        built.package,
        built.code_sha256,
        scope.lambda_role_arn,
        function_environment(scope, options),
        stored=(scope.artifact_bucket, key),
        description=f"model {_sha256(artifact)[:12]}",
        memory_mb=memory,
    )
    planned = (
        Planned(zipped, after=(f"bucket {scope.artifact_bucket}",)),
        *_function(scope, function, options, after=(label(zipped),)),
    )
    return planned, Leftovers(scope.name, bundle=key, has_key=options.limits is not None)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _revision(scope: Scope, sha256: str, image: str, options: DeployOptions, *endpoint: str) -> str:
    """The name of model and configuration: SageMaker changes neither, so a change is a new name."""
    capture = [] if options.data_capture is None else [f"capture {options.data_capture}"]
    facts = [sha256, image, options.instance_type, options.instance_count, *capture, *endpoint]
    return f"{scope.name}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]}"


def _function(
    scope: Scope, function: Function, options: DeployOptions, after: tuple[str, ...]
) -> tuple[Planned, ...]:
    further = [scope.endpoint_of(name) for name, _ in options.models]
    policy = function_policy(
        scope,
        endpoints=[] if options.lambda_only else [scope.endpoint, *further],
        feedback=options.feedback,
        capture=options.capture_below is not None,
    )
    role = Role(scope.lambda_role, "lambda", policy)
    logs = LogGroup(scope.function_logs, LOG_RETENTION_DAYS)
    return (
        Planned(role),
        Planned(logs),
        Planned(function, after=(label(role), label(logs), *after)),
    )


def _api(scope: Scope, bundle: Bundle, limits: UsageLimits | None) -> tuple[Planned, ...]:
    swagger = complete_swagger(bundle.swagger, scope, needs_key=limits is not None)
    api = RestApi(scope.api, swagger)
    permission = InvokePermission(scope.function, scope.api)
    keys = () if limits is None else (ApiKey(scope.api, scope.api, limits),)
    return (
        Planned(api, after=(f"function {scope.function}",)),
        Planned(permission, after=(label(api),)),
        *(Planned(key, after=(label(api),)) for key in keys),
    )


def function_environment(scope: Scope, options: DeployOptions) -> tuple[tuple[str, str], ...]:
    """The function's variables, sorted by name."""
    variables = {"ALLOWED_ORIGIN": scope.allowed_origin}
    if options.feedback:
        variables["FEEDBACK_BUCKET"] = scope.artifact_bucket
    if options.capture_below is not None:
        variables["CAPTURE_BUCKET"] = scope.artifact_bucket
        variables["CAPTURE_BELOW"] = str(options.capture_below)
    if options.lambda_only:
        variables |= {"MODEL_PROGRAM": FUNCTION_PROGRAM, "MODEL_FOLDER": MODEL_FOLDER}
        return tuple(sorted(variables.items()))
    variables["ENDPOINT_NAME"] = scope.endpoint
    if options.models:
        further = {name: scope.endpoint_of(name) for name, _ in options.models}
        variables["MODELS"] = json.dumps(further)
    if scope.target.name == "localstack" and scope.target.sagemaker_endpoint_url:
        # LocalStack's Lambdas would look for SageMaker in LocalStack, which has none.
        variables["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] = scope.target.sagemaker_endpoint_url
    return tuple(sorted(variables.items()))


def _page(scope: Scope, web_dir: Path, *, asks_for_key: bool) -> tuple[Planned, ...]:
    bucket = Bucket(scope.web_bucket, website=True)
    files = page_files(web_dir)
    page = Files("page", scope.web_bucket, files, complete=True, keep=(PAGE_CONFIG,))
    config = PageConfig(scope.web_bucket, scope.api, asks_for_key)
    return (
        Planned(bucket),
        Planned(page, after=(label(bucket),)),
        Planned(config, after=(label(page), f"REST API {scope.api}")),
    )
