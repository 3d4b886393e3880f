"""What DescribeEndpoint says of a deployment: each variant as it is, and as it is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.capture import capture_summary
from infra.sagemaker.deployment_spec import DeploymentSpec

if TYPE_CHECKING:
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.documents import Document
    from infra.sagemaker.variant_spec import VariantSpec
    from infra.sagemaker.variants import Variant


def deployment_summary(document: Document, deployment: Deployment | None) -> dict[str, Any]:
    """The members of DescribeEndpoint's answer that tell of variants and what is beside them.

    Args:
        document: the endpoint's; its specs are what is desired.
        deployment: what there is; None before the endpoint is in service.
    """
    spec = DeploymentSpec.from_document(document)
    live = deployment.variants if deployment else {}
    capture = {"DataCaptureConfig": capture_summary(spec.capture)} if spec.capture else {}
    return {
        **capture,
        "ProductionVariants": [
            {
                **_deployed_image(one, document),
                **_capacity(one, live.get(one.name)),
            }
            for one in spec.variants
        ],
    }


def _deployed_image(spec: VariantSpec, document: Document) -> dict[str, Any]:
    image = {
        "SpecifiedImage": spec.image,
        "ResolvedImage": spec.image,
        "ResolutionTime": document["CreationTime"],
    }
    return {"VariantName": spec.name, "DeployedImages": [image]}


def _capacity(spec: VariantSpec, variant: Variant | None) -> dict[str, Any]:
    serverless: dict[str, Any] = {}
    if spec.serverless is not None:
        now = variant.spec.serverless if variant else spec.serverless
        serverless = {"CurrentServerlessConfig": now, "DesiredServerlessConfig": spec.serverless}
    return {
        **serverless,
        "CurrentWeight": variant.weight if variant else spec.weight,
        "DesiredWeight": spec.weight,
        "CurrentInstanceCount": variant.healthy_count if variant else 0,
        "DesiredInstanceCount": spec.instance_count,
    }
