"""CreateModelPackageGroup, DescribeModelPackageGroup, ListModelPackageGroups and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import MODEL_PACKAGE, MODEL_PACKAGE_GROUP, Document, now
from infra.sagemaker.errors import ConflictException, ValidationException, not_implemented
from infra.sagemaker.listing import page

if TYPE_CHECKING:
    from infra.sagemaker.documents import DocumentStore
    from infra.sagemaker.operations import Operations


class ModelPackageGroups:
    """Groups of the model registry: the versions of one model have one."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {
            "CreateModelPackageGroup": self.create,
            "DescribeModelPackageGroup": self.describe,
            "ListModelPackageGroups": self.list_page,
            "DeleteModelPackageGroup": self.delete,
        }

    async def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """An empty group."""
        if "ManagedConfiguration" in request:
            raise not_implemented("ManagedConfiguration", "a group's models lie where you put them")
        name = request["ModelPackageGroupName"]
        arn = self._store.arn(MODEL_PACKAGE_GROUP, name)
        if self._store.get(MODEL_PACKAGE_GROUP, name) is not None:
            raise ValidationException(f"Model Package Group already exists: {arn}")
        group = {
            **request,
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": now(),
            "CreatedBy": {},
            "LastVersion": 0,
        }
        self._store.put(MODEL_PACKAGE_GROUP, name, group)
        return {"ModelPackageGroupArn": arn}

    async def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """The group's document; it may be asked for by ARN."""
        return find_group(self._store, request["ModelPackageGroupName"])

    async def list_page(self, request: dict[str, Any]) -> dict[str, Any]:
        """A page of groups."""
        return page(
            self._store.all(MODEL_PACKAGE_GROUP),
            request,
            kind="ModelPackageGroup",
            member="ModelPackageGroupSummaryList",
            default_order="Ascending",
        )

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget an empty group."""
        group = find_group(self._store, request["ModelPackageGroupName"])
        name = group["ModelPackageGroupName"]
        held = [
            one["ModelPackageArn"]
            for one in self._store.all(MODEL_PACKAGE)
            if one.get("ModelPackageGroupName") == name
        ]
        if held:
            raise ConflictException(
                f"Model Package Group {group['ModelPackageGroupArn']} still has model packages: "
                f"{', '.join(sorted(held)[:3])}"
            )
        self._store.delete(MODEL_PACKAGE_GROUP, name)
        return {}


def find_group(store: DocumentStore, name: str) -> Document:
    """The group that has this name or ARN.

    Raises:
        ValidationException: there is none.
    """
    prefix = store.arn(MODEL_PACKAGE_GROUP, "")
    group = store.get(MODEL_PACKAGE_GROUP, name.removeprefix(prefix))
    if group is None:
        arn = prefix + name.removeprefix(prefix)
        raise ValidationException(f"Model Package Group does not exist: {arn}")
    return group
