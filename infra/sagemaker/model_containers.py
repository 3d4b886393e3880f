"""The container of a model: as the request has it, or as a model package of the registry says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import ARTIFACT_FILE, DeployError
from infra.images import SERVE
from infra.sagemaker.artifacts import unpack
from infra.sagemaker.documents import MODEL_PACKAGE, Document
from infra.sagemaker.errors import ValidationException, not_implemented
from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.documents import DocumentStore


async def check_container(context: PlaneContext, container: dict[str, Any]) -> None:
    """Refuse a container whose image is not known here, or whose artifact is not in S3.

    Raises:
        ValidationException: naming it.
    """
    if "Image" not in container:
        raise ValidationException("A container needs an Image.")
    try:
        context.images.argv(container["Image"], SERVE)
    except DeployError as error:
        raise ValidationException(error.message) from None
    uri = artifact_uri(container)
    if uri is None:
        return
    try:
        found = await context.threads.run(context.objects.exists, S3Location.parse(uri))
    except StorageError as error:
        raise ValidationException(f"Could not access model data at {error.message}") from None
    if not found:
        raise ValidationException(f"Could not find model data at {uri}.")


def find_package(store: DocumentStore, name: str) -> tuple[str, Document]:
    """A model package by its name or ARN: its name in the store, and its document.

    Raises:
        ValidationException: there is none.
    """
    prefix = store.arn(MODEL_PACKAGE, "")
    name = name.removeprefix(prefix)
    package = store.get(MODEL_PACKAGE, name)
    if package is None:
        raise ValidationException(f"ModelPackage {prefix}{name} does not exist.")
    return name, package


def packaged(store: DocumentStore, container: dict[str, Any]) -> dict[str, Any]:
    """The container itself, or that of the model package which it names, with its own variables.

    Raises:
        ValidationException: there is no such package, or nobody has approved it.
    """
    if "ModelPackageName" not in container:
        return container
    _, package = find_package(store, container["ModelPackageName"])
    status = package.get("ModelApprovalStatus", "Approved")
    if status != "Approved":
        raise ValidationException(
            f"Model package {package['ModelPackageArn']} cannot be deployed: its "
            f"ModelApprovalStatus is {status}, not Approved."
        )
    chosen = _specification(package, container.get("InferenceSpecificationName"))
    found = one_container({"Containers": chosen["Containers"]})
    environment = found.get("Environment", {}) | container.get("Environment", {})
    return {**found, "Environment": environment}


def _specification(package: Document, name: str | None) -> dict[str, Any]:
    """The package's own way to be served, or a further one by its name."""
    if name is None:
        first: dict[str, Any] = package["InferenceSpecification"]
        return first
    for one in package.get("AdditionalInferenceSpecifications", []):
        if one["Name"] == name:
            found: dict[str, Any] = one
            return found
    raise ValidationException(
        f"{package['ModelPackageArn']} has no inference specification named {name}."
    )


def model_container(model: Document) -> dict[str, Any]:
    """The container that serves a model."""
    return model.get("Container") or one_container(model)


def one_container(model: dict[str, Any]) -> dict[str, Any]:
    """The one container of a model, as the request has it.

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
