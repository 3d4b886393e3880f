"""CreateModelPackage, DescribeModelPackage, ListModelPackages, and their update and deletion.

A package is a version of a model in the registry: what serves it, where its artifact lies, its
figures, and whether somebody has approved it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import MODEL_PACKAGE, MODEL_PACKAGE_GROUP, Document, now
from infra.sagemaker.errors import ValidationException, not_implemented
from infra.sagemaker.listing import page
from infra.sagemaker.model_containers import check_container, find_package
from infra.sagemaker.model_package_groups import find_group

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.operations import Operations

NOT_OFFERED = {
    "SourceAlgorithmSpecification": "give an InferenceSpecification",
    "ValidationSpecification": "evaluate a model before it is registered",
    "CertifyForMarketplace": "there is no marketplace here",
    "ManagedStorageType": "a model lies where its URL says",
    "SecurityConfig": "nothing is encrypted by keys of KMS",
}
"""Members of a creation that mean something which does not happen here, and what to do instead."""


class ModelPackages:
    """The registry's packages: versions of a group, or single ones under a name of their own."""

    def __init__(self, context: PlaneContext) -> None:
        self._context, self._store = context, context.store

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateModelPackage": self.create,
            "DescribeModelPackage": self.describe,
            "ListModelPackages": self.list_page,
            "UpdateModelPackage": self.update,
            "DeleteModelPackage": self.delete,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Register a version; its image is known here and its artifact in S3."""
        for member, instead in NOT_OFFERED.items():
            if request.get(member):
                raise not_implemented(member, instead)
        if "InferenceSpecification" not in request:
            raise ValidationException("A model package needs an InferenceSpecification.")
        if request.get("SkipModelValidation") != "All":
            for container in request["InferenceSpecification"]["Containers"]:
                await check_container(self._context, container)
        name, named = self._name(request)
        arn, moment = self._store.arn(MODEL_PACKAGE, name), now()
        package = {
            **request,
            **named,
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CreationTime": moment,
            "LastModifiedTime": moment,
            "CreatedBy": {},
        }
        self._store.put(MODEL_PACKAGE, name, package)
        return {"ModelPackageArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The package's document, by name or ARN."""
        _, package = find_package(self._store, request["ModelPackageName"])
        if request.get("IncludedData") == "MetadataOnly":
            return {name: value for name, value in package.items() if name != "ModelCard"}
        return package

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of packages: of those of one group, or of those that are in none."""
        return page(
            [one for one in self._store.all(MODEL_PACKAGE) if self._is_wanted(one, request)],
            request,
            kind="ModelPackage",
            member="ModelPackageSummaryList",
            default_order="Ascending",
        )

    async def update(self, request: dict[str, Any]) -> dict[str, Any]:
        """Approve or reject a version, or change what is told of it."""
        name, package = find_package(self._store, request["ModelPackageArn"])
        if "ModelApprovalStatus" in request and "ModelPackageVersion" not in package:
            raise ValidationException(
                f"{package['ModelPackageArn']} is in no model package group: only versions have a "
                "ModelApprovalStatus."
            )
        for container in request.get("InferenceSpecification", {}).get("Containers", []):
            await check_container(self._context, container)
        told = package.get("CustomerMetadataProperties", {}) | request.get(
            "CustomerMetadataProperties", {}
        )
        for key in request.get("CustomerMetadataPropertiesToRemove", []):
            told.pop(key, None)
        further = [
            *package.get("AdditionalInferenceSpecifications", []),
            *request.get("AdditionalInferenceSpecificationsToAdd", []),
        ]
        kept = {name: request[name] for name in _CHANGEABLE if name in request}
        package |= {
            **kept,
            "CustomerMetadataProperties": told,
            "AdditionalInferenceSpecifications": further,
            "LastModifiedTime": now(),
            "LastModifiedBy": {},
        }
        self._store.put(MODEL_PACKAGE, name, package)
        return {"ModelPackageArn": package["ModelPackageArn"]}

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a package; models that were made from it go on, its version is not given again."""
        name, _ = find_package(self._store, request["ModelPackageName"])
        self._store.delete(MODEL_PACKAGE, name)
        return {}

    def _name(self, request: dict[str, Any]) -> tuple[str, Document]:
        """A new package's name in its ARN, and the members that name it."""
        own, of_group = request.get("ModelPackageName"), request.get("ModelPackageGroupName")
        if (own is None) == (of_group is None):
            raise ValidationException(
                "Give either a ModelPackageName or a ModelPackageGroupName, "
                f"not {'both' if own else 'neither'}."
            )
        if of_group is not None:
            return self._next_version(request, of_group)
        assert own is not None  # noqa: S101 - one of the two is given
        if "ModelApprovalStatus" in request:
            raise ValidationException("A model package in no group has no ModelApprovalStatus.")
        if self._store.get(MODEL_PACKAGE, own) is not None:
            arn = self._store.arn(MODEL_PACKAGE, own)
            raise ValidationException(f"Model Package already exists: {arn}")
        return own, {"ModelPackageName": own}

    def _next_version(self, request: dict[str, Any], of_group: str) -> tuple[str, Document]:
        if "Tags" in request:
            raise ValidationException(
                "Tags cannot be given for a model package of a group: it has its group's tags."
            )
        group = find_group(self._store, of_group)
        name = group["ModelPackageGroupName"]
        group["LastVersion"] = version = group["LastVersion"] + 1
        self._store.put(MODEL_PACKAGE_GROUP, name, group)
        return f"{name}/{version}", {
            "ModelPackageName": name,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
        }

    def _is_wanted(self, package: Document, request: dict[str, Any]) -> bool:
        group, status = request.get("ModelPackageGroupName"), request.get("ModelApprovalStatus")
        if status is not None and package.get("ModelApprovalStatus") != status:
            return False
        if group is not None:
            found = find_group(self._store, group)
            return bool(package.get("ModelPackageGroupName") == found["ModelPackageGroupName"])
        kind = request.get("ModelPackageType", "Unversioned")
        versioned = "ModelPackageVersion" in package
        return versioned if kind == "Versioned" else kind == "Both" or not versioned


_CHANGEABLE = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)
"""Members of an update that take the place of the package's own."""
