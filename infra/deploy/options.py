"""What a person may choose about a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, DeployError
from infra.deploy.bundle import BUILD_DIR, LAMBDA_DIR
from infra.deploy.page import WEB_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.resources import UsageLimits

SMALLEST_MEMORY_MB, LARGEST_MEMORY_MB = 128, 10_240
"""Lambda developer guide, *Lambda quotas*: 128 MB to 10,240 MB."""


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a person may choose about a deployment.

    Attributes:
        artifact: the `model.tar.gz`, or a folder that holds one.
        image: the inference image; by default the local one's name, or on AWS this account's ECR.
        instance_type: what the endpoint runs on.
        instance_count: how many of them.
        lambda_only: the function holds the model, and there is no endpoint.
        memory_mb: of the function that holds the model, 128 to 10,240; by default what it needs.
        limits: what the holder of an API key may ask; None for an API that asks for no key.
    """

    artifact: Path
    image: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    lambda_only: bool = False
    memory_mb: int | None = None
    limits: UsageLimits | None = None
    lambda_dir: Path = LAMBDA_DIR
    web_dir: Path = WEB_DIR
    build_dir: Path = BUILD_DIR

    def __post_init__(self) -> None:
        if self.instance_count < 1:
            raise DeployError(
                f"instance count {self.instance_count}: expected 1 or more",
                hint="an endpoint needs at least one instance",
            )
        smallest, largest = SMALLEST_MEMORY_MB, LARGEST_MEMORY_MB
        if self.memory_mb is not None and not smallest <= self.memory_mb <= largest:
            raise DeployError(
                f"memory {self.memory_mb} MB: expected {smallest} to {largest:,}",
                hint="leave it out to have what the model needs",
            )


def find_artifact(path: Path) -> Path:
    """The artifact that `path` names: itself, or `model.tar.gz` in it.

    Raises:
        DeployError: there is none.
    """
    artifact = path / ARTIFACT_FILE if path.is_dir() else path
    if not artifact.is_file():
        raise DeployError(
            f"{artifact}: no such file", hint="train a model first: `snapshelf train RECORDS`"
        )
    return artifact
