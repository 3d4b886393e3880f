"""SageMaker's side of a deployment: model, endpoint configuration and endpoint."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contracts import JSON, JSON_LINES, DeployError
from infra.deploy.roles import until_role_is_known
from infra.deploy.scope import OWNER_TAG, tag_list
from infra.deploy.service import check_owner, is_absent, tags_of, unlike

if TYPE_CHECKING:
    from infra.deploy.resources import Capture, Endpoint, EndpointConfig, Model
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

PREVIOUS_TAG = "snapshelf:previous"
"""An endpoint's tag that names the configuration which was in service before."""

VARIANT = "AllTraffic"  # the one variant's name in SageMaker's own SDK and console
_IN_SERVICE_SECONDS = 1800  # AWS starts an instance in 3 to 8 minutes, a large image takes longer
_POLL_SECONDS = {"aws": 10.0, "localstack": 1.0, "local": 0.5}
_MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


@dataclass(frozen=True, slots=True)
class ModelService:
    """SageMaker models. Their names carry what they are made of, so one that stands is right."""

    scope: Scope

    def differences(self, wanted: Model) -> tuple[str, ...] | None:
        sagemaker = self.scope.client("sagemaker")
        standing = _describe(sagemaker.describe_model, ModelName=wanted.name)
        if standing is None:
            return None
        container = {**standing["PrimaryContainer"], "role": standing["ExecutionRoleArn"]}
        return unlike(
            container,
            {"Image": wanted.image, "ModelDataUrl": wanted.artifact_url, "role": wanted.role_arn},
        )

    def apply(self, wanted: Model, report: Report) -> None:
        sagemaker = self.scope.client("sagemaker")
        if self.differences(wanted) is not None:
            sagemaker.delete_model(ModelName=wanted.name)

        def create() -> None:
            sagemaker.create_model(
                ModelName=wanted.name,
                PrimaryContainer={"Image": wanted.image, "ModelDataUrl": wanted.artifact_url},
                ExecutionRoleArn=wanted.role_arn,
                Tags=self.scope.tag_list,
            )

        until_role_is_known(create, report)

    def names(self) -> list[str]:
        """Every model of this deployment."""
        sagemaker = self.scope.client("sagemaker")
        pages = sagemaker.get_paginator("list_models").paginate(NameContains=self.scope.name)
        names = [model["ModelName"] for page in pages for model in page["Models"]]
        return sorted(name for name in names if self.scope.is_revision(name))

    def artifact_url(self, name: str) -> str | None:
        """Where a model's artifact lies; None where there is no such model."""
        sagemaker = self.scope.client("sagemaker")
        standing = _describe(sagemaker.describe_model, ModelName=name)
        return standing["PrimaryContainer"]["ModelDataUrl"] if standing else None

    def delete_all(self) -> list[str]:
        """Delete every model of this deployment; their names."""
        return [name for name in self.names() if self.delete(name)]

    def delete(self, name: str) -> bool:
        """Delete one model."""
        self.scope.client("sagemaker").delete_model(ModelName=name)
        return True


@dataclass(frozen=True, slots=True)
class EndpointConfigService:
    """SageMaker endpoint configurations with one variant."""

    scope: Scope

    def differences(self, wanted: EndpointConfig) -> tuple[str, ...] | None:
        sagemaker = self.scope.client("sagemaker")
        standing = _describe(sagemaker.describe_endpoint_config, EndpointConfigName=wanted.name)
        if standing is None:
            return None
        return unlike(
            {**standing["ProductionVariants"][0], "capture": _captured(standing)},
            {**variant(wanted), "capture": wanted.capture and wanted.capture.percent},
        )

    def apply(self, wanted: EndpointConfig, report: Report) -> None:  # noqa: ARG002 (no time)
        sagemaker = self.scope.client("sagemaker")
        if self.differences(wanted) is not None:
            sagemaker.delete_endpoint_config(EndpointConfigName=wanted.name)
        sagemaker.create_endpoint_config(
            EndpointConfigName=wanted.name,
            ProductionVariants=[variant(wanted)],
            Tags=self.scope.tag_list,
            **({"DataCaptureConfig": data_capture(wanted.capture)} if wanted.capture else {}),
        )

    def names(self) -> list[str]:
        """Every endpoint configuration of this deployment."""
        sagemaker = self.scope.client("sagemaker")
        pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
            NameContains=self.scope.name
        )
        names = [c["EndpointConfigName"] for page in pages for c in page["EndpointConfigs"]]
        return sorted(name for name in names if self.scope.is_revision(name))

    def delete_all(self) -> list[str]:
        """Delete every endpoint configuration of this deployment; their names."""
        return [name for name in self.names() if self.delete(name)]

    def delete(self, name: str) -> bool:
        """Delete one endpoint configuration."""
        self.scope.client("sagemaker").delete_endpoint_config(EndpointConfigName=name)
        return True


@dataclass(frozen=True, slots=True)
class EndpointService:
    """SageMaker endpoints: made or updated, then waited for."""

    scope: Scope

    def differences(self, wanted: Endpoint) -> tuple[str, ...] | None:
        standing = self._describe(wanted.name)
        if standing is None:
            return None
        status = standing["EndpointStatus"]
        moving = () if status == "InService" else (f"status {status}",)
        other = unlike(
            {"configuration": standing["EndpointConfigName"]}, {"configuration": wanted.config}
        )
        return (*other, *moving)

    def is_under_way(self, wanted: Endpoint) -> bool:
        standing = self._describe(wanted.name)
        return (
            standing is not None
            and standing["EndpointStatus"] in _MOVING
            and standing["EndpointConfigName"] == wanted.config
        )

    def settle(self, wanted: Endpoint, report: Report) -> None:
        self._settled(wanted.name, report)

    def apply(self, wanted: Endpoint, report: Report) -> None:
        sagemaker = self.scope.client("sagemaker")
        standing = self._settled(wanted.name, report)
        if standing is not None and standing["EndpointStatus"] != "InService":
            # A failed endpoint can only be deleted; it serves no one.
            self.delete(wanted.name, report)
            standing = None
        if standing is None:
            sagemaker.create_endpoint(
                EndpointName=wanted.name,
                EndpointConfigName=wanted.config,
                Tags=self.scope.tag_list,
            )
        elif standing["EndpointConfigName"] != wanted.config:
            former = {PREVIOUS_TAG: standing["EndpointConfigName"]}
            sagemaker.add_tags(ResourceArn=standing["EndpointArn"], Tags=tag_list(former))
            sagemaker.update_endpoint(EndpointName=wanted.name, EndpointConfigName=wanted.config)
        self._check_in_service(wanted, self._settled(wanted.name, report))

    def delete(self, name: str, report: Report) -> bool:
        """Delete the endpoint and wait until it is gone; whether it was there."""
        if self._settled(name, report) is None:
            return False
        self.scope.client("sagemaker").delete_endpoint(EndpointName=name)
        self._settled(name, report)
        return True

    def others(self) -> list[str]:
        """The endpoints of this deployment's further models; the tag tells whose one is."""
        sagemaker, prefix = self.scope.client("sagemaker"), self.scope.endpoint_of("")
        pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=self.scope.name)
        found = [each for page in pages for each in page["Endpoints"]]
        return sorted(
            each["EndpointName"]
            for each in found
            if each["EndpointName"].startswith(prefix) and self._is_ours(each["EndpointArn"])
        )

    def _is_ours(self, arn: str) -> bool:
        tags = tags_of(self.scope.client("sagemaker").list_tags(ResourceArn=arn)["Tags"])
        return tags.get(OWNER_TAG) == self.scope.name

    def generations(self, name: str) -> tuple[str | None, str | None]:
        """The configuration in service, and the one before it; None for what there is not."""
        standing = self._describe(name)
        if standing is None:
            return None, None
        tags = self.scope.client("sagemaker").list_tags(ResourceArn=standing["EndpointArn"])
        return standing["EndpointConfigName"], tags_of(tags["Tags"]).get(PREVIOUS_TAG)

    def _describe(self, name: str) -> dict[str, Any] | None:
        sagemaker = self.scope.client("sagemaker")
        standing = _describe(sagemaker.describe_endpoint, EndpointName=name)
        if standing is not None:
            tags = sagemaker.list_tags(ResourceArn=standing["EndpointArn"])["Tags"]
            check_owner(f"endpoint {name}", tags_of(tags), self.scope)
        return standing

    def _settled(self, name: str, report: Report) -> dict[str, Any] | None:
        """The endpoint once it neither starts nor changes nor goes; None where it is gone."""
        began = time.monotonic()
        while True:
            standing = self._describe(name)
            if standing is None or standing["EndpointStatus"] not in _MOVING:
                return standing
            waited = time.monotonic() - began
            if waited > _IN_SERVICE_SECONDS:
                raise DeployError(
                    f"endpoint {name} is still {standing['EndpointStatus']}"
                    f" after {waited:.0f} s, expected InService",
                    hint=_logs_hint(self.scope, name),
                )
            report(f"{standing['EndpointStatus']}, {waited:.0f} s")
            time.sleep(_POLL_SECONDS[self.scope.target.name])

    def _check_in_service(self, wanted: Endpoint, standing: dict[str, Any] | None) -> None:
        status = standing["EndpointStatus"] if standing else "gone"
        config = standing["EndpointConfigName"] if standing else None
        if status == "InService" and config == wanted.config:
            return
        if status == "InService":
            raise DeployError(
                f"endpoint {wanted.name} serves {config}, expected {wanted.config}: another"
                " deployment changed it meanwhile",
                hint="see to it that one deploys at a time, and run the command again",
            )
        reason = (standing or {}).get("FailureReason") or f"its configuration is {config}"
        raise DeployError(
            f"endpoint {wanted.name} is {status}, expected InService with {wanted.config}:"
            f" {reason}",
            hint=_logs_hint(self.scope, wanted.name),
        )


def variant(wanted: EndpointConfig) -> dict[str, Any]:
    """The configuration's one variant, as SageMaker's API takes it."""
    return {
        "VariantName": VARIANT,
        "ModelName": wanted.model,
        "InstanceType": wanted.instance_type,
        "InitialInstanceCount": wanted.instance_count,
        "InitialVariantWeight": 1.0,
    }


def data_capture(capture: Capture) -> dict[str, Any]:
    """A DataCaptureConfig: photos in base64, bodies of JSON as they are."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": capture.percent,
        "DestinationS3Uri": capture.url,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": [JSON, JSON_LINES]},
    }


def _captured(standing: dict[str, Any]) -> int | None:
    percent: int | None = standing.get("DataCaptureConfig", {}).get("InitialSamplingPercentage")
    return percent


def _describe(ask: Any, **name: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = ask(**name)
    except ClientError as error:
        if is_absent(error):
            return None
        raise
    return answer


def _logs_hint(scope: Scope, endpoint: str) -> str:
    return f"read the container's log: CloudWatch Logs group {scope.logs_of(endpoint)}"
