"""What a variant runs: its model as it was when the endpoint was made or updated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from infra.sagemaker.model_containers import artifact_uri, model_container
from infra.sagemaker.models import find_model

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A production variant with what its model was when the endpoint was made or updated.

    Kept in the endpoint's document: it comes back after a restart even if its configuration and
    model have been deleted since, as an endpoint in AWS goes on without them. `serverless` is a
    ServerlessConfig; such a variant counts no instances.
    """

    name: str
    image: str
    artifact: str | None
    environment: dict[str, str]
    healthy_within: float | None
    weight: float
    instance_count: int
    serverless: dict[str, int] | None = None
    instance_type: str = ""  # of a serverless variant, or of an endpoint of before it was kept

    def as_document(self) -> dict[str, Any]:
        """For the endpoint's document; `VariantSpec(**document)` reads it."""
        return asdict(self)


def variant_spec(context: PlaneContext, variant: dict[str, Any]) -> VariantSpec:
    """The spec of a ProductionVariant as an endpoint configuration holds it.

    Raises:
        ValidationException: its model is not there any more.
    """
    container = model_container(find_model(context, variant["ModelName"]))
    return VariantSpec(
        name=variant["VariantName"],
        image=container["Image"],
        artifact=artifact_uri(container),
        environment=container.get("Environment", {}),
        healthy_within=variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        weight=variant["InitialVariantWeight"],
        instance_count=variant.get("InitialInstanceCount", 0),
        serverless=variant.get("ServerlessConfig"),
        instance_type=variant.get("InstanceType", ""),
    )
