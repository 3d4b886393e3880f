"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs and DeleteEndpointConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import ENDPOINT_CONFIG, Document, now
from infra.sagemaker.endpoint_config_checks import check_endpoint_config
from infra.sagemaker.errors import ValidationException
from infra.sagemaker.listing import page
from infra.sagemaker.models import find_model

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations


_VARIANTS = ("ProductionVariants", "ShadowProductionVariants")


class EndpointConfigs:
    """Endpoint configurations: which models serve, with how many processes and what weight."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "ListEndpointConfigs": self.list_page,
            "DeleteEndpointConfig": self.delete,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Store a configuration whose models exist."""
        name, store = request["EndpointConfigName"], self._context.store
        check_endpoint_config(request)
        members = [one for one in _VARIANTS if one in request]
        for variant in (variant for member in members for variant in request[member]):
            find_model(self._context, variant["ModelName"])
        arn = store.arn(ENDPOINT_CONFIG, name)
        if store.get(ENDPOINT_CONFIG, name) is not None:
            raise ValidationException(
                f'Cannot create already existing endpoint configuration "{arn}".'
            )
        weighted = {
            member: [{"InitialVariantWeight": 1.0, **one} for one in request[member]]
            for member in members
        }
        config = {
            "EnableNetworkIsolation": False,
            **request,
            **weighted,
            "EndpointConfigArn": arn,
            "CreationTime": now(),
        }
        store.put(ENDPOINT_CONFIG, name, config)
        return {"EndpointConfigArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The configuration's document."""
        return find_endpoint_config(self._context, request["EndpointConfigName"])

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of configurations."""
        return page(
            self._context.store.all(ENDPOINT_CONFIG),
            request,
            kind="EndpointConfig",
            member="EndpointConfigs",
            default_order="Descending",
        )

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a configuration; endpoints that were made from it go on."""
        find_endpoint_config(self._context, request["EndpointConfigName"])
        self._context.store.delete(ENDPOINT_CONFIG, request["EndpointConfigName"])
        return {}


def find_endpoint_config(context: PlaneContext, name: str) -> Document:
    """The configuration's document.

    Raises:
        ValidationException: in AWS's words, there is none.
    """
    config = context.store.get(ENDPOINT_CONFIG, name)
    if config is None:
        arn = context.store.arn(ENDPOINT_CONFIG, name)
        raise ValidationException(f'Could not find endpoint configuration "{arn}".')
    return config
