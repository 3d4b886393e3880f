"""Versions of a model in SageMaker's own registry: a model package group that deployments have.

A group bears its deployment's name. Artifact and figures of a version lie in the deployment's
artifact bucket, below `registry/`, apart from what endpoints read, so that they outlive it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import ARTIFACT_FILE, DeployError
from infra.deploy.executor import apply
from infra.deploy.model_packages import ModelPackageService
from infra.deploy.plan import Plan, Planned
from infra.deploy.resources import Bucket, StoredFile
from infra.deploy.storage import FOR_EVER, TRANSFER, upload
from infra.registry.refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from infra.deploy.scope import Scope

REGISTRY_PREFIX = "registry"
"""The folder of the artifact bucket that holds registered artifacts."""

METRICS_FILE = "metrics.json"
CONTENT_TYPES = ["image/jpeg", "image/png", "application/x-image"]
ANSWER_TYPES = ["application/json", "application/jsonlines"]

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"

_DIGITS = 12  # of the artifact's SHA-256, as in its address and in `model_version` of a deployment
_FACT_CHARACTERS = 256  # CustomerMetadataValue in the service model
_NOT_A_FACT = re.compile(r"[^\w\s.:/=+\-@]")


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model.

    Attributes:
        number: from 1; not given again where a version is deleted.
        arn: of the model package.
        created: when it was registered.
        status: `PendingManualApproval`, `Approved` or `Rejected`.
        description: what whoever registered it said.
        artifact_url: where its model.tar.gz lies.
        facts: what was known when it was registered: network, accuracy, photos, …
    """

    number: int
    arn: str
    created: datetime
    status: str
    description: str
    artifact_url: str
    facts: Mapping[str, str]

    @property
    def digits(self) -> str:
        """The first 12 hex digits of the artifact's SHA-256."""
        return self.facts.get("artifact", "")


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions of one deployment's model."""

    scope: Scope

    def register(
        self,
        artifact: Path,
        *,
        image: str,
        facts: Mapping[str, str],
        metrics: Mapping[str, Any],
        description: str = "",
    ) -> Version:
        """Store an artifact with its figures; it waits for approval.

        One that is registered already is not stored twice: its version is returned.

        Raises:
            DeployError: the target refuses.
        """
        digits = _sha256(artifact)
        with refusals(self.scope, "register a version"):
            for version in self.versions():
                if version.digits == digits[:_DIGITS]:
                    return version
            url = self._store(artifact, digits, metrics)
            ModelPackageService(self.scope).ensure_group()
            answer = self.scope.client("sagemaker").create_model_package(
                ModelPackageGroupName=self.scope.name,
                InferenceSpecification={
                    "Containers": [{"Image": image, "ModelDataUrl": url}],
                    "SupportedContentTypes": CONTENT_TYPES,
                    "SupportedResponseMIMETypes": ANSWER_TYPES,
                },
                ModelApprovalStatus=PENDING,
                CustomerMetadataProperties={**as_facts(facts), "artifact": digits[:_DIGITS]},
                ModelMetrics={
                    "ModelQuality": {
                        "Statistics": {
                            "ContentType": "application/json",
                            "S3Uri": url.replace(ARTIFACT_FILE, METRICS_FILE),
                        }
                    }
                },
                **({"ModelPackageDescription": description} if description else {}),
            )
            return self._describe(answer["ModelPackageArn"])

    def versions(self) -> list[Version]:
        """Every version, the newest first; none where nothing was ever registered.

        Raises:
            DeployError: the target refuses.
        """
        with refusals(self.scope, "list the versions"):
            found = [self._describe(arn) for arn in ModelPackageService(self.scope).arns()]
        return sorted(found, key=lambda version: -version.number)

    def find(self, number: int) -> Version:
        """One version.

        Raises:
            DeployError: there is none of that number.
        """
        versions = self.versions()
        for version in versions:
            if version.number == number:
                return version
        known = ", ".join(str(version.number) for version in reversed(versions)) or "none"
        raise DeployError(
            f"version {number} of {self.scope.name}: not registered (there are: {known})",
            hint="see them: `snapshelf models list`",
        )

    def decide(self, version: Version, status: str, reason: str = "") -> None:
        """Approve or reject a version.

        Raises:
            DeployError: the target refuses.
        """
        with refusals(self.scope, f"change version {version.number}"):
            self.scope.client("sagemaker").update_model_package(
                ModelPackageArn=version.arn,
                ModelApprovalStatus=status,
                **({"ApprovalDescription": reason} if reason else {}),
            )

    def fetch(self, version: Version, folder: Path) -> Path:
        """A version's artifact, downloaded into a folder.

        Raises:
            DeployError: it is not there, or not what was registered.
        """
        bucket, _, key = version.artifact_url.removeprefix("s3://").partition("/")
        path = folder / ARTIFACT_FILE
        with refusals(self.scope, f"fetch version {version.number}"):
            s3 = self.scope.client("s3")
            s3.download_file(bucket, key, str(path), Config=TRANSFER)
        if _sha256(path)[:_DIGITS] != version.digits:
            raise DeployError(
                f"version {version.number}: {version.artifact_url} is not what was registered"
                f" (SHA-256 {_sha256(path)[:_DIGITS]}, expected {version.digits})",
                hint="register the model again",
            )
        return path

    def _store(self, artifact: Path, sha256: str, metrics: Mapping[str, Any]) -> str:
        bucket = self.scope.artifact_bucket
        apply(Plan(self.scope, (Planned(Bucket(bucket)),)), lambda _label, _outcome: None)
        s3, key = self.scope.client("s3"), f"{REGISTRY_PREFIX}/{sha256[:_DIGITS]}/{ARTIFACT_FILE}"
        upload(s3, bucket, StoredFile(key, artifact, sha256, "application/gzip", FOR_EVER))
        s3.put_object(
            Bucket=bucket,
            Key=key.replace(ARTIFACT_FILE, METRICS_FILE),
            Body=json.dumps(metrics, ensure_ascii=False).encode(),
            ContentType="application/json",
        )
        return f"s3://{bucket}/{key}"

    def _describe(self, arn: str) -> Version:
        package = self.scope.client("sagemaker").describe_model_package(ModelPackageName=arn)
        (container, *_) = package["InferenceSpecification"]["Containers"]
        return Version(
            number=package["ModelPackageVersion"],
            arn=package["ModelPackageArn"],
            created=package["CreationTime"],
            status=package["ModelApprovalStatus"],
            description=package.get("ModelPackageDescription", ""),
            artifact_url=container["ModelDataUrl"],
            facts=package.get("CustomerMetadataProperties", {}),
        )


def as_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """What SageMaker takes as CustomerMetadataProperties: letters, digits and some signs."""
    return {
        name: _NOT_A_FACT.sub("-", value)[:_FACT_CHARACTERS]
        for name, value in facts.items()
        if value
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
