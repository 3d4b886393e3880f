"""CreateEndpoint, DescribeEndpoint, ListEndpoints, the two updates and DeleteEndpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.deployment_spec import DeploymentSpec
from infra.sagemaker.documents import ENDPOINT, Document, now
from infra.sagemaker.endpoint_configs import find_endpoint_config
from infra.sagemaker.endpoint_summaries import deployment_summary, pending_summary
from infra.sagemaker.errors import ValidationException
from infra.sagemaker.listing import page
from infra.sagemaker.rollouts import Rollout, check_alarms
from infra.sagemaker.serverless import check_serverless

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.operations import Operations
    from infra.sagemaker.variant_spec import VariantSpec


class Endpoints:
    """The control operations on endpoints: they check, note what is wanted, and have it done."""

    def __init__(self, context: PlaneContext, live: LiveEndpoints) -> None:
        self._context, self._live = context, live

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list_page,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.update_weights_and_capacities,
            "DeleteEndpoint": self.delete,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start an endpoint's containers; it is InService when all are healthy."""
        name, store = request["EndpointName"], self._context.store
        spec = self._spec_of(request["EndpointConfigName"])
        deployment = request.get("DeploymentConfig")
        await check_alarms(self._context, Rollout.from_config(deployment, spec.instance_count))
        arn = store.arn(ENDPOINT, name)
        if store.get(ENDPOINT, name) is not None:
            raise ValidationException(f'Cannot create already existing endpoint "{arn}".')
        document = {**request, "EndpointArn": arn, "CreationTime": now()}
        document["LastDeploymentConfig"] = deployment
        spec.write_to(document)
        self._live.set_status(document, "Creating")
        self._live.bring_up(document)
        return {"EndpointArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's document, with the state of its variants."""
        document = find_endpoint(self._context, request["EndpointName"])
        deployment = self._live.get(request["EndpointName"])
        summary = deployment_summary(document, deployment)
        if shift := self._live.shift(request["EndpointName"]):
            summary["PendingDeploymentSummary"] = pending_summary(shift, document)
        return {**document, **summary}

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of endpoints."""
        return page(
            self._context.store.all(ENDPOINT),
            request,
            kind="Endpoint",
            member="Endpoints",
            default_order="Descending",
        )

    async def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """Bring up another configuration beside the present one, then take the traffic over."""
        document = find_endpoint(self._context, request["EndpointName"])
        _check_settled(document, ("InService",))
        config = request["EndpointConfigName"]
        spec = self._spec_of(config)
        if request.get("RetainAllVariantProperties"):
            exclusions = request.get("ExcludeRetainedVariantProperties", [])
            excluded = [one["VariantPropertyType"] for one in exclusions]
            spec = spec.retaining(DeploymentSpec.from_document(document), excluded)
        deployment = request.get("DeploymentConfig")
        if deployment is None and request.get("RetainDeploymentConfig"):
            deployment = document.get("LastDeploymentConfig")
        rollout = Rollout.from_config(deployment, spec.instance_count)
        await check_alarms(self._context, rollout)
        _check_settled(document, ("InService",))  # CloudWatch was asked meanwhile
        document["LastDeploymentConfig"] = deployment
        self._live.roll_over(document, config, spec, rollout)
        return {"EndpointArn": document["EndpointArn"]}

    async def update_weights_and_capacities(self, request: dict[str, Any]) -> dict[str, Any]:
        """Share the traffic anew and run more or fewer instances, without a new deployment."""
        document = find_endpoint(self._context, request["EndpointName"])
        _check_settled(document, ("InService",))
        present = DeploymentSpec.from_document(document)
        changes = _changes(document, present, request["DesiredWeightsAndCapacities"])
        self._live.rescale(document, present.scaled(changes))
        return {"EndpointArn": document["EndpointArn"]}

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop serving at once; the endpoint is gone when its containers are."""
        document = find_endpoint(self._context, request["EndpointName"])
        _check_settled(document, ("InService", "Failed"))
        self._live.tear_down(document)
        return {}

    def _spec_of(self, config_name: str) -> DeploymentSpec:
        config = find_endpoint_config(self._context, config_name)
        return DeploymentSpec.from_config(self._context, config)


def find_endpoint(context: PlaneContext, name: str) -> Document:
    """The endpoint's document.

    Raises:
        ValidationException: in AWS's words, there is none.
    """
    document = context.store.get(ENDPOINT, name)
    if document is None:
        arn = context.store.arn(ENDPOINT, name)
        raise ValidationException(f'Could not find endpoint "{arn}".')
    return document


def _check_settled(document: Document, settled: tuple[str, ...]) -> None:
    status, arn = document["EndpointStatus"], document["EndpointArn"]
    if status == "Failed" and status not in settled:
        raise ValidationException(f'Cannot update failed endpoint "{arn}": delete it.')
    if status not in settled:
        raise ValidationException(f'Cannot update in-progress endpoint "{arn}".')


def _changes(
    document: Document, present: DeploymentSpec, desired: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Fields of specs to change, by variant, of DesiredWeightsAndCapacities."""
    known = {spec.name: spec for spec in present.everyone}
    changes: dict[str, dict[str, Any]] = {}
    for one in desired:
        name = one["VariantName"]
        if name not in known:
            raise ValidationException(
                f'Variant {name} not found in endpoint "{document["EndpointArn"]}"; it has '
                f"{', '.join(known)}."
            )
        if name in changes:
            raise ValidationException(f"Duplicate VariantName {name} in the request.")
        changes[name] = _variant_changes(known[name], one, 0 if present.asynchronous else 1)
    scaled = present.scaled(changes)
    if not any(spec.weight for spec in scaled.variants):
        raise ValidationException("At least one variant must have a weight above 0.")
    return changes


def _variant_changes(spec: VariantSpec, desired: dict[str, Any], at_least: int) -> dict[str, Any]:
    name, weight = spec.name, {}
    if "DesiredWeight" in desired:
        weight = {"weight": desired["DesiredWeight"]}
    if spec.serverless is not None:
        if "DesiredInstanceCount" in desired:
            raise ValidationException(f"variant {name}: a serverless variant counts no instances.")
        config = spec.serverless | desired.get("ServerlessUpdateConfig", {})
        check_serverless(name, config)
        return weight | {"serverless": config}
    if "ServerlessUpdateConfig" in desired:
        raise ValidationException(f"variant {name}: ServerlessUpdateConfig: it is not serverless.")
    if desired.get("DesiredInstanceCount", at_least) < at_least:
        raise ValidationException(
            f"variant {name}: DesiredInstanceCount 0: expected at least 1; give it DesiredWeight 0 "
            "to keep requests away from it."
        )
    if "DesiredInstanceCount" in desired:
        return weight | {"instance_count": desired["DesiredInstanceCount"]}
    return weight
