"""A deployment's group in SageMaker's model registry, and the packages in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.deploy.service import check_owner, is_absent, tags_of

if TYPE_CHECKING:
    from infra.deploy.scope import Scope


@dataclass(frozen=True, slots=True)
class ModelPackageService:
    """The group bears the deployment's name; its packages are versions, and have its tags."""

    scope: Scope

    def ensure_group(self) -> None:
        """Make the group where there is none."""
        if not self._has_group():
            self.scope.client("sagemaker").create_model_package_group(
                ModelPackageGroupName=self.scope.name,
                ModelPackageGroupDescription=f"Versions of the model that {self.scope.name} serves",
                Tags=self.scope.tag_list,
            )

    def arns(self) -> list[str]:
        """Every package; none where there is no group."""
        if not self._has_group():
            return []
        pages = self.scope.client("sagemaker").get_paginator("list_model_packages")
        found = pages.paginate(ModelPackageGroupName=self.scope.name)
        return [one["ModelPackageArn"] for page in found for one in page["ModelPackageSummaryList"]]

    def delete_all(self) -> list[str]:
        """Delete every package, and the group; what there was."""
        if not self._has_group():
            return []
        sagemaker, arns = self.scope.client("sagemaker"), self.arns()
        for arn in arns:
            sagemaker.delete_model_package(ModelPackageName=arn)
        sagemaker.delete_model_package_group(ModelPackageGroupName=self.scope.name)
        return [*arns, self.scope.name]

    def _has_group(self) -> bool:
        sagemaker, name = self.scope.client("sagemaker"), self.scope.name
        try:
            group = sagemaker.describe_model_package_group(ModelPackageGroupName=name)
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        tags = tags_of(sagemaker.list_tags(ResourceArn=group["ModelPackageGroupArn"])["Tags"])
        check_owner(f"model package group {name}", tags, self.scope)
        return True
