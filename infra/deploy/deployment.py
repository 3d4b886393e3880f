"""A standing deployment: made, found again, and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError
from infra.deploy.executor import apply
from infra.deploy.gateway import find_api
from infra.deploy.keys import ApiKeyService
from infra.deploy.plan import build_plan
from infra.deploy.scope import Scope, scope_of
from infra.deploy.service import is_absent

if TYPE_CHECKING:
    from infra.deploy.executor import OnStep
    from infra.deploy.options import DeployOptions
    from infra.targets import Target

_PROBE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a deployment stands and what it runs.

    Attributes:
        name: the deployment's name.
        target: local, localstack or aws.
        region: the AWS region.
        api_url: the REST API's stage, without a trailing slash.
        page_url: the page.
        object_url: the page again, at an address that needs no website endpoint.
        endpoint_name: the SageMaker endpoint; None where the function holds the model.
        endpoint_status: as SageMaker words it, such as `InService`; None likewise.
        artifact: the first 12 hex digits of the artifact's SHA-256, as the registry has it.
        api_key: what requests to the API must carry as `x-api-key`; None where it is open.
        resources: ARNs of the bucket, role, endpoint, function and API that it consists of.
    """

    name: str
    target: str
    region: str
    api_url: str
    page_url: str
    object_url: str
    endpoint_name: str | None
    endpoint_status: str | None
    artifact: str
    api_key: str | None
    resources: tuple[str, ...]


def deploy(name: str, target: Target, options: DeployOptions, on_step: OnStep) -> Deployment:
    """Make `target` hold the deployment that `options` describe.

    Raises:
        DeployError: the options are not valid, the target cannot be reached, or a step failed.
    """
    scope = scope_of(name, target)
    apply(build_plan(scope, options), on_step)
    return describe_deployment(name, target)


def describe_deployment(name: str, target: Target) -> Deployment:
    """Find a standing deployment through the target's own APIs.

    Raises:
        DeployError: there is none of that name, or its endpoint is gone.
    """
    scope = scope_of(name, target)
    try:
        return _describe(scope)
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and is_absent(error):
            raise _incomplete(scope, str(error)) from error
        raise DeployError(
            f"deployment {name} on {target.name} cannot be read: {error}",
            hint="is the target up, and may your credentials read it?",
        ) from error


def _describe(scope: Scope) -> Deployment:
    api_id = find_api(scope, scope.api)
    if api_id is None:
        raise _incomplete(scope, "it has no REST API")
    model = _model_in_function(scope) or _model_at_endpoint(scope)
    return Deployment(
        name=scope.name,
        target=scope.target.name,
        region=scope.target.region,
        api_url=scope.api_url(api_id),
        page_url=_page_url(scope),
        object_url=scope.object_url,
        endpoint_name=model.endpoint,
        endpoint_status=model.status,
        artifact=model.artifact,
        api_key=ApiKeyService(scope).value(scope.api),
        resources=(
            scope.arn("s3", scope.artifact_bucket),
            scope.arn("s3", scope.web_bucket),
            scope.lambda_role_arn,
            *model.resources,
            scope.function_arn,
            scope.arn("execute-api", api_id),
        ),
    )


@dataclass(frozen=True, slots=True)
class _StandingModel:
    """Which model answers, and what it stands on."""

    artifact: str
    endpoint: str | None = None
    status: str | None = None
    resources: tuple[str, ...] = ()


def _model_in_function(scope: Scope) -> _StandingModel | None:
    """The function's own model; None where it asks an endpoint."""
    found = scope.client("lambda").get_function_configuration(FunctionName=scope.function)
    if "ENDPOINT_NAME" in found.get("Environment", {}).get("Variables", {}):
        return None
    return _StandingModel(found["Description"].removeprefix("model "))


def _model_at_endpoint(scope: Scope) -> _StandingModel:
    sagemaker = scope.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=scope.endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    return _StandingModel(
        artifact=model["PrimaryContainer"]["ModelDataUrl"].split("/")[-2],
        endpoint=scope.endpoint,
        status=endpoint["EndpointStatus"],
        resources=(
            scope.hosting_role_arn,
            model["ModelArn"],
            config["EndpointConfigArn"],
            endpoint["EndpointArn"],
        ),
    )


def _page_url(scope: Scope) -> str:
    """The website's address, where the target has such an endpoint; else the object's."""
    if scope.target.endpoint_url is None:
        return scope.website_url
    host = httpx.URL(scope.website_url).netloc.decode()
    try:
        # The name resolves in browsers, not always in this system: ask the target by number.
        answer = httpx.get(
            scope.target.endpoint_url, headers={"Host": host}, timeout=_PROBE_SECONDS
        )
    except httpx.HTTPError:
        return scope.object_url
    is_page = answer.is_success and "html" in answer.headers.get("content-type", "")
    return scope.website_url if is_page else scope.object_url


def _incomplete(scope: Scope, reason: str) -> DeployError:
    return DeployError(
        f"no deployment {scope.name!r} stands on {scope.target.name}"
        f" ({scope.target.region}): {reason}",
        hint=f"make it: `snapshelf deploy MODEL --name {scope.name} --target {scope.target.name}`",
    )
