"""What an endpoint configuration may ask for."""

from __future__ import annotations

from typing import Any

from infra.sagemaker.errors import ValidationException, not_implemented
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.serverless import check_serverless

_NOT_OFFERED = ("ExplainerConfig",)


def check_endpoint_config(request: dict[str, Any]) -> None:
    """Refuse what AWS refuses beyond the service model, and by name what is not offered here.

    Raises:
        ValidationException: naming the member, what was expected, or what is offered.
    """
    supported = "variants run one model on processes of this machine"
    for member in _NOT_OFFERED:
        if member in request:
            raise not_implemented(member, supported)
    _check_capture(request.get("DataCaptureConfig", {}))
    _check_serverless_endpoint(request)
    if "ShadowProductionVariants" in request:
        _check_shadows(request)
    if "AsyncInferenceConfig" in request:
        _check_asynchronous(request)
    variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", [])]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise ValidationException(f"Duplicate VariantName in {names}.")
    for variant in variants:
        _check_variant(variant, supported)
    if not any(one.get("InitialVariantWeight", 1) for one in request["ProductionVariants"]):
        raise ValidationException("At least one variant must have a weight above 0.")


def _check_capture(capture: dict[str, Any]) -> None:
    if "KmsKeyId" in capture:
        raise not_implemented("DataCaptureConfig.KmsKeyId", "what is captured is not encrypted")
    if capture:
        _check_s3_uri("DataCaptureConfig.DestinationS3Uri", capture["DestinationS3Uri"])


def _check_asynchronous(request: dict[str, Any]) -> None:
    output = request["AsyncInferenceConfig"]["OutputConfig"]
    if len(request["ProductionVariants"]) > 1:
        raise ValidationException("AsyncInferenceConfig: expected one ProductionVariant.")
    if "DataCaptureConfig" in request:
        raise not_implemented("DataCaptureConfig of an asynchronous endpoint", "answers are in S3")
    if "KmsKeyId" in output:
        raise not_implemented("OutputConfig.KmsKeyId", "answers are not encrypted")
    included = output.get("NotificationConfig", {}).get("IncludeInferenceResponseIn", [])
    if "S3OutputPath" not in output and "SUCCESS_NOTIFICATION_TOPIC" not in included:
        raise ValidationException("OutputConfig: expected S3OutputPath, or the answer in a topic.")
    for member in ("S3OutputPath", "S3FailurePath"):
        if member in output:
            _check_s3_uri(f"OutputConfig.{member}", output[member])


def _check_shadows(request: dict[str, Any]) -> None:
    """One of each (API reference, CreateEndpointConfig), both on instances."""
    shadows, variants = request["ShadowProductionVariants"], request["ProductionVariants"]
    if len(variants) > 1 or len(shadows) > 1:
        raise ValidationException(
            f"{len(variants)} ProductionVariants and {len(shadows)} ShadowProductionVariants: "
            "expected one of each."
        )
    if "AsyncInferenceConfig" in request:
        raise ValidationException("ShadowProductionVariants: not with AsyncInferenceConfig.")
    if any("ServerlessConfig" in one for one in (*variants, *shadows)):
        raise ValidationException("ShadowProductionVariants: not with ServerlessConfig.")


def _check_s3_uri(member: str, uri: str) -> None:
    try:
        S3Location.parse(uri)
    except StorageError as error:
        raise ValidationException(f"{member}: {error.message}.") from None


def _check_variant(variant: dict[str, Any], supported: str) -> None:
    name = variant["VariantName"]
    for member in ("ManagedInstanceScaling", "InstancePools"):
        if member in variant:
            raise not_implemented(f"variant {name}: {member}", supported)
    if variant.get("RoutingConfig", {}).get("RoutingStrategy") == "PREFIX_AWARE":
        raise not_implemented(f"variant {name}: PREFIX_AWARE", "the least busy instance answers")
    if "ModelName" not in variant:
        raise ValidationException(f"variant {name}: ModelName is required.")
    instances = ("InitialInstanceCount", "InstanceType")
    if serverless := variant.get("ServerlessConfig"):
        check_serverless(name, serverless)
        if given := [member for member in instances if member in variant]:
            raise ValidationException(
                f"variant {name}: {given[0]} and ServerlessConfig: expected one of them."
            )
    elif missing := [member for member in instances if member not in variant]:
        raise ValidationException(f"variant {name}: {missing[0]} is required.")


def _check_serverless_endpoint(request: dict[str, Any]) -> None:
    """What AWS excludes for serverless endpoints (developer guide, *Feature exclusions*)."""
    if not any("ServerlessConfig" in one for one in request["ProductionVariants"]):
        return
    if len(request["ProductionVariants"]) > 1:
        raise ValidationException("ServerlessConfig: expected one ProductionVariant.")
    for member in ("DataCaptureConfig", "AsyncInferenceConfig"):
        if member in request:
            raise ValidationException(f"{member} is not supported for serverless endpoints.")
