"""CreateEndpoint, DescribeEndpoint, ListEndpoints, UpdateEndpoint and DeleteEndpoint."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, Any

from contracts import SnapshelfError
from infra.sagemaker.documents import ENDPOINT, Document, now
from infra.sagemaker.endpoint_configs import find_endpoint_config
from infra.sagemaker.errors import ServiceUnavailable, ValidationException, not_implemented
from infra.sagemaker.listing import page
from infra.sagemaker.models import artifact_uri, find_model, model_container
from infra.sagemaker.serving import SELECT_POLL, Deployment, VariantSpec

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations

logger = logging.getLogger(__name__)

FAILURE_CHARACTERS = 1024
"""FailureReason's length in the service model."""

RESTORING = "SystemUpdating"
"""AWS's status for an endpoint that is being maintained; here: the plane has been restarted."""


class Endpoints:
    """Endpoints: their documents, and the deployments that serve them."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context
        self._live: dict[str, Deployment] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list_page,
            "UpdateEndpoint": self.update,
            "DeleteEndpoint": self.delete,
        }

    def prepare(self) -> None:
        """Before the first request: what ran before the plane's end is to be started again."""
        shutil.rmtree(self._context.work / ENDPOINT, ignore_errors=True)
        for document in self._context.store.all(ENDPOINT):
            if document["EndpointStatus"] == "Deleting":
                self._context.store.delete(ENDPOINT, document["EndpointName"])
            elif document["EndpointStatus"] != "Failed":
                self._set_status(document, RESTORING)

    async def restore(self) -> None:
        """Start again the endpoints that `prepare` found."""
        for document in self._context.store.all(ENDPOINT):
            if document["EndpointStatus"] == RESTORING:
                self._begin(self._bring_up(document))

    async def close(self) -> None:
        """End every container; the documents stay, and `prepare` finds them."""
        for task in self._tasks:
            task.cancel()
        grace = self._context.timing.shutdown
        stops = [deployment.stop(grace) for deployment in self._live.values()]
        await asyncio.gather(*self._tasks, *stops, return_exceptions=True)

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start an endpoint's containers; it is InService when all are healthy."""
        name, store = request["EndpointName"], self._context.store
        _check_supported(request)
        arn = store.arn(ENDPOINT, name)
        if store.get(ENDPOINT, name) is not None:
            raise ValidationException(f'Cannot create already existing endpoint "{arn}".')
        specs = self._variant_specs(request["EndpointConfigName"])
        document = {
            **request,
            "EndpointArn": arn,
            "EndpointStatus": "Creating",
            "CreationTime": now(),
            "VariantSpecs": [spec.as_document() for spec in specs],
        }
        self._set_status(document, "Creating")
        self._begin(self._bring_up(document))
        return {"EndpointArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's document, with the state of its variants."""
        document = self._find(request["EndpointName"])
        return {**document, "ProductionVariants": self._variant_summaries(document)}

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
        """Bring up another configuration beside the present one, then switch to it."""
        _check_supported(request)
        document = self._find(request["EndpointName"])
        self._check_settled(document, ("InService",))
        config = request["EndpointConfigName"]
        specs = self._variant_specs(config)
        self._set_status(document, "Updating")
        self._begin(self._roll_over(document, config, specs))
        return {"EndpointArn": document["EndpointArn"]}

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop serving at once; the endpoint is gone when its containers are."""
        document = self._find(request["EndpointName"])
        self._check_settled(document, ("InService", "Failed"))
        self._set_status(document, "Deleting")
        self._begin(self._tear_down(document))
        return {}

    async def live(self, name: str) -> Deployment | None:
        """What serves an endpoint now; None if it is not in service.

        Raises:
            ServiceUnavailable: the plane has been restarted and the endpoint is not back in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._context.timing.wait_for_healthy
        while name not in self._live and self.status(name) == RESTORING:
            if loop.time() > deadline:
                raise ServiceUnavailable(f"Endpoint {name} is being started again.")
            await asyncio.sleep(SELECT_POLL)
        return self._live.get(name)

    def status(self, name: str) -> str | None:
        """EndpointStatus; None if there is no such endpoint."""
        document = self._context.store.get(ENDPOINT, name)
        return None if document is None else document["EndpointStatus"]

    async def _bring_up(self, document: Document) -> None:
        name = document["EndpointName"]
        specs = [VariantSpec(**spec) for spec in document["VariantSpecs"]]
        deployment, reason = await self._start(name, specs)
        if deployment is None:
            self._set_status(document, "Failed", reason)
        else:
            self._live[name] = deployment
            self._set_status(document, "InService")

    async def _roll_over(self, document: Document, config: str, specs: list[VariantSpec]) -> None:
        """All requests are answered meanwhile: by the old deployment, then by the new one."""
        name = document["EndpointName"]
        deployment, reason = await self._start(name, specs)
        if deployment is None:
            self._set_status(document, "InService", reason)
            return
        old, self._live[name] = self._live[name], deployment
        document["EndpointConfigName"] = config
        document["VariantSpecs"] = [spec.as_document() for spec in specs]
        self._set_status(document, "InService")
        await self._retire(old)

    async def _tear_down(self, document: Document) -> None:
        name = document["EndpointName"]
        if deployment := self._live.pop(name, None):
            await self._retire(deployment)
        self._context.store.delete(ENDPOINT, name)

    async def _retire(self, deployment: Deployment) -> None:
        """Let what is under way end, then the containers; at once if the plane stops meanwhile."""
        grace = self._context.timing.shutdown
        try:
            await deployment.drain()
            grace = self._context.timing.serving_stop
        finally:
            await deployment.stop(grace)

    async def _start(self, name: str, specs: list[VariantSpec]) -> tuple[Deployment | None, str]:
        """A deployment in which all is healthy, or None and why not."""
        deployment, reason = Deployment(self._context, name, specs), ""
        try:
            await deployment.start()
        except SnapshelfError as error:
            reason = error.message
        except Exception:
            logger.exception("endpoint %s", name)
            reason = "Request to service failed: see the local cloud's own log."
        except asyncio.CancelledError:
            await deployment.stop(self._context.timing.shutdown)
            raise
        if reason:
            await deployment.stop(self._context.timing.shutdown)
            return None, reason
        return deployment, ""

    def _variant_specs(self, config_name: str) -> list[VariantSpec]:
        config = find_endpoint_config(self._context, config_name)
        return [self._variant_spec(variant) for variant in config["ProductionVariants"]]

    def _variant_spec(self, variant: dict[str, Any]) -> VariantSpec:
        container = model_container(find_model(self._context, variant["ModelName"]))
        return VariantSpec(
            name=variant["VariantName"],
            image=container["Image"],
            artifact=artifact_uri(container),
            environment=container.get("Environment", {}),
            healthy_within=variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
            weight=variant["InitialVariantWeight"],
            instance_count=variant["InitialInstanceCount"],
            instance_type=variant["InstanceType"],
        )

    def _variant_summaries(self, document: Document) -> list[dict[str, Any]]:
        deployment = self._live.get(document["EndpointName"])
        return [
            {
                "VariantName": spec["name"],
                "DeployedImages": [
                    {
                        "SpecifiedImage": spec["image"],
                        "ResolvedImage": spec["image"],
                        "ResolutionTime": document["CreationTime"],
                    }
                ],
                "CurrentWeight": spec["weight"],
                "DesiredWeight": spec["weight"],
                "CurrentInstanceCount": (
                    deployment.variants[spec["name"]].healthy_count if deployment else 0
                ),
                "DesiredInstanceCount": spec["instance_count"],
            }
            for spec in document["VariantSpecs"]
        ]

    def _find(self, name: str) -> Document:
        document = self._context.store.get(ENDPOINT, name)
        if document is None:
            arn = self._context.store.arn(ENDPOINT, name)
            raise ValidationException(f'Could not find endpoint "{arn}".')
        return document

    def _check_settled(self, document: Document, settled: tuple[str, ...]) -> None:
        status, arn = document["EndpointStatus"], document["EndpointArn"]
        if status == "Failed" and status not in settled:
            raise ValidationException(f'Cannot update failed endpoint "{arn}": delete it.')
        if status not in settled:
            raise ValidationException(f'Cannot update in-progress endpoint "{arn}".')

    def _set_status(self, document: Document, status: str, reason: str = "") -> None:
        document["EndpointStatus"], document["LastModifiedTime"] = status, now()
        document.pop("FailureReason", None)
        if reason:
            document["FailureReason"] = reason[:FAILURE_CHARACTERS]
        self._context.store.put(ENDPOINT, document["EndpointName"], document)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _check_supported(request: dict[str, Any]) -> None:
    supported = "an update starts all new containers, switches, then drains the old"
    for member in ("DeploymentConfig", "RetainAllVariantProperties", "RetainDeploymentConfig"):
        if request.get(member):
            raise not_implemented(member, supported)
