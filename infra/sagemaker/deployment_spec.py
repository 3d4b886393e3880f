"""What an endpoint serves: a snapshot of its configuration and of the models named there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.sagemaker.variant_spec import VariantSpec, variant_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.documents import Document

WEIGHT, COUNT, CAPTURE = "DesiredWeight", "DesiredInstanceCount", "DataCaptureConfig"
"""VariantPropertyType: what UpdateEndpoint may retain of the present deployment."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """An endpoint's variants, and what happens beside their answers.

    Attributes:
        variants: those that share the traffic.
        capture: an enabled DataCaptureConfig.
        asynchronous: an AsyncInferenceConfig; None where requests are answered at once.
        shadows: those that get a copy of the traffic.
    """

    variants: tuple[VariantSpec, ...]
    capture: dict[str, Any] | None = None
    asynchronous: dict[str, Any] | None = None
    shadows: tuple[VariantSpec, ...] = ()

    @classmethod
    def from_config(cls, context: PlaneContext, config: Document) -> DeploymentSpec:
        """A snapshot of an endpoint configuration.

        Raises:
            ValidationException: one of its models is not there any more.
        """
        variants = tuple(variant_spec(context, one) for one in config["ProductionVariants"])
        capture = config.get("DataCaptureConfig")
        if capture and not capture.get("EnableCapture", True):
            capture = None
        shadowing = config.get("ShadowProductionVariants", [])
        shadows = tuple(variant_spec(context, one) for one in shadowing)
        return cls(variants, capture, config.get("AsyncInferenceConfig"), shadows)

    @classmethod
    def from_document(cls, document: Document) -> DeploymentSpec:
        """What `write_to` put into an endpoint's document."""
        return cls(
            tuple(VariantSpec(**spec) for spec in document["VariantSpecs"]),
            document.get("CaptureSpec"),
            document.get("AsyncInferenceConfig"),
            tuple(VariantSpec(**spec) for spec in document.get("ShadowSpecs", [])),
        )

    @property
    def everyone(self) -> tuple[VariantSpec, ...]:
        """The variants that share the traffic and those that shadow it."""
        return (*self.variants, *self.shadows)

    @property
    def instance_count(self) -> int:
        """Instances of all variants that share the traffic."""
        return sum(spec.instance_count for spec in self.variants)

    def write_to(self, document: Document) -> None:
        """Keep it in an endpoint's document: it comes back after a restart."""
        document["VariantSpecs"] = [spec.as_document() for spec in self.variants]
        document["ShadowSpecs"] = [spec.as_document() for spec in self.shadows]
        document["CaptureSpec"] = self.capture
        document["AsyncInferenceConfig"] = self.asynchronous

    def retaining(self, present: DeploymentSpec, excluded: Sequence[str]) -> DeploymentSpec:
        """With the properties that variants of the same name have at present.

        Args:
            present: what serves now.
            excluded: VariantPropertyTypes that are taken from this spec all the same.
        """
        former = {spec.name: spec for spec in present.everyone}
        kept = {"weight": WEIGHT, "instance_count": COUNT}
        fields = [field for field, member in kept.items() if member not in excluded]
        return dataclasses.replace(
            self,
            variants=tuple(_retain(spec, former, fields) for spec in self.variants),
            shadows=tuple(_retain(spec, former, fields) for spec in self.shadows),
            capture=self.capture if CAPTURE in excluded else present.capture,
        )

    def scaled(self, changes: Mapping[str, Mapping[str, Any]]) -> DeploymentSpec:
        """With fields of some variants changed, by the variants' names."""
        variants, shadows = (
            tuple(dataclasses.replace(spec, **changes.get(spec.name, {})) for spec in specs)
            for specs in (self.variants, self.shadows)
        )
        return dataclasses.replace(self, variants=variants, shadows=shadows)


def _retain(
    spec: VariantSpec, former: Mapping[str, VariantSpec], fields: Sequence[str]
) -> VariantSpec:
    if spec.name not in former:
        return spec
    values = {field: getattr(former[spec.name], field) for field in fields}
    return dataclasses.replace(spec, **values)
