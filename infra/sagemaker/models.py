"""CreateModel, DescribeModel, ListModels and DeleteModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import MODEL, Document, now
from infra.sagemaker.errors import ValidationException
from infra.sagemaker.listing import page
from infra.sagemaker.model_containers import check_container, one_container, packaged

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations


class Models:
    """Models: an image, an artifact and an environment under a name."""

    def __init__(self, context: PlaneContext) -> None:
        self._context = context

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateModel": self.create,
            "DescribeModel": self.describe,
            "ListModels": self.list_page,
            "DeleteModel": self.delete,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Store a model whose image is known here and whose artifact is in S3."""
        name, store = request["ModelName"], self._context.store
        container = packaged(store, one_container(request))
        await check_container(self._context, container)
        arn = store.arn(MODEL, name)
        if store.get(MODEL, name) is not None:
            raise ValidationException(f'Cannot create already existing model "{arn}".')
        model = {
            "EnableNetworkIsolation": False,
            **request,
            "ModelArn": arn,
            "CreationTime": now(),
            "Container": container,  # goes on should its model package be changed or deleted
        }
        store.put(MODEL, name, model)
        return {"ModelArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The model's document."""
        return find_model(self._context, request["ModelName"])

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of models."""
        return page(
            self._context.store.all(MODEL),
            request,
            kind="Model",
            member="Models",
            default_order="Descending",
        )

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a model; endpoints that were made from it go on."""
        find_model(self._context, request["ModelName"])
        self._context.store.delete(MODEL, request["ModelName"])
        return {}


def find_model(context: PlaneContext, name: str) -> Document:
    """The model's document.

    Raises:
        ValidationException: in AWS's words, there is none.
    """
    model = context.store.get(MODEL, name)
    if model is None:
        raise ValidationException(f'Could not find model "{context.store.arn(MODEL, name)}".')
    return model
