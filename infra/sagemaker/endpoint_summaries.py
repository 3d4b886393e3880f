"""What DescribeEndpoint says of a deployment: each variant as it is, and as it is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.capture import capture_summary
from infra.sagemaker.deployment_spec import DeploymentSpec

if TYPE_CHECKING:
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.documents import Document
    from infra.sagemaker.rollouts import Shift
    from infra.sagemaker.variant_spec import VariantSpec
    from infra.sagemaker.variants import Variant


def deployment_summary(document: Document, deployment: Deployment | None) -> dict[str, Any]:
    """The members of DescribeEndpoint's answer that tell of variants and what is beside them.

    Args:
        document: the endpoint's; its specs are what is desired.
        deployment: what there is; None before the endpoint is in service.
    """
    spec = DeploymentSpec.from_document(document)
    live = deployment.everyone if deployment else {}
    members = {"ProductionVariants": spec.variants, "ShadowProductionVariants": spec.shadows}
    summary: dict[str, Any] = {
        member: [_variant_summary(one, live.get(one.name), document) for one in specs]
        for member, specs in members.items()
        if specs
    }
    if spec.capture:
        summary["DataCaptureConfig"] = capture_summary(spec.capture)
    return summary


def pending_summary(shift: Shift, document: Document) -> dict[str, Any]:
    """DescribeEndpoint's PendingDeploymentSummary: what an update is taking the traffic to."""
    live, specs = shift.deployment.everyone, shift.deployment.spec.variants
    return {
        "EndpointConfigName": shift.config_name,
        "ProductionVariants": [
            _variant_summary(one, live[one.name], document)
            | {"VariantStatus": [{"Status": "ActivatingTraffic" if shift.share < 1 else "Baking"}]}
            for one in specs
        ],
        "StartTime": shift.began,
    }


def _variant_summary(
    spec: VariantSpec, variant: Variant | None, document: Document
) -> dict[str, Any]:
    image = {
        "SpecifiedImage": spec.image,
        "ResolvedImage": spec.image,
        "ResolutionTime": document["CreationTime"],
    }
    summary: dict[str, Any] = {
        "VariantName": spec.name,
        "DeployedImages": [image],
        "CurrentWeight": variant.weight if variant else spec.weight,
        "DesiredWeight": spec.weight,
        "CurrentInstanceCount": variant.healthy_count if variant else 0,
        "DesiredInstanceCount": spec.instance_count,
    }
    if spec.serverless is not None:
        summary["CurrentServerlessConfig"] = (variant.spec if variant else spec).serverless
        summary["DesiredServerlessConfig"] = spec.serverless
    return summary
