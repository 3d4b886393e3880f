"""CreateModel, DescribeModel, ListModels and DeleteModel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import ARTIFACT_FILE, DeployError
from infra.images import SERVE
from infra.sagemaker.artifacts import unpack
from infra.sagemaker.documents import MODEL, Document, now
from infra.sagemaker.errors import ValidationException, not_implemented
from infra.sagemaker.listing import page
from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from pathlib import Path

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
        container = model_container(request)
        try:
            self._context.images.argv(container["Image"], SERVE)
        except DeployError as error:
            raise ValidationException(error.message) from None
        await self._check_artifact(container)
        arn = store.arn(MODEL, name)
        if store.get(MODEL, name) is not None:
            raise ValidationException(f'Cannot create already existing model "{arn}".')
        model = {
            "EnableNetworkIsolation": False,
            **request,
            "ModelArn": arn,
            "CreationTime": now(),
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

    async def _check_artifact(self, container: dict[str, Any]) -> None:
        uri = artifact_uri(container)
        if uri is None:
            return
        try:
            location = S3Location.parse(uri)
            found = await self._context.threads.run(self._context.objects.exists, location)
        except StorageError as error:
            raise ValidationException(f"Could not access model data at {error.message}") from None
        if not found:
            raise ValidationException(f"Could not find model data at {uri}.")


def find_model(context: PlaneContext, name: str) -> Document:
    """The model's document.

    Raises:
        ValidationException: in AWS's words, there is none.
    """
    model = context.store.get(MODEL, name)
    if model is None:
        raise ValidationException(f'Could not find model "{context.store.arn(MODEL, name)}".')
    return model


def model_container(model: dict[str, Any]) -> dict[str, Any]:
    """The one container of a model.

    Raises:
        ValidationException: there is none, or it is of a kind that is not offered here.
    """
    containers = [*model.get("Containers", [])]
    if primary := model.get("PrimaryContainer"):
        containers.append(primary)
    if not containers:
        raise ValidationException("A model needs a PrimaryContainer or Containers.")
    if len(containers) > 1:
        raise not_implemented("An inference pipeline", "give one container")
    container: dict[str, Any] = containers[0]
    if "Image" not in container:
        raise not_implemented("A model package", "name an Image")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise not_implemented("Mode MultiModel", "a container serves one model")
    if container.get("AdditionalModelDataSources"):
        raise not_implemented("AdditionalModelDataSources", "a container has one artifact")
    return container


def artifact_uri(container: dict[str, Any]) -> str | None:
    """Where the container's model.tar.gz is; None for an image that needs none.

    Raises:
        ValidationException: the model data is not one compressed archive.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri: str | None = source["S3Uri"] if source else container.get("ModelDataUrl")
    if source and (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise not_implemented("Uncompressed model data", "give a .tar.gz: S3Object, Gzip")
    return uri


def place_model(context: PlaneContext, artifact: str | None, folder: Path) -> None:
    """Lay the files of an artifact where a container with this folder finds its model. Blocks.

    Raises:
        StorageError: the artifact is not there, or S3 refuses.
        ArtifactError: it is no archive, or an unsafe one.
    """
    model = folder / "ml/model"
    model.mkdir(parents=True)
    if artifact is not None:
        archive = folder / ARTIFACT_FILE
        context.objects.download(S3Location.parse(artifact), archive)
        unpack(archive, model)
        archive.unlink()
