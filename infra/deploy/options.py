"""What a person may choose about a deployment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, DeployError
from infra.deploy.bundle import BUILD_DIR, LAMBDA_DIR
from infra.deploy.page import WEB_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from infra.deploy.resources import UsageLimits

DEFAULT_MODEL = "default"
"""What the API calls the model that is asked where a request names none."""

_MODEL_NAME = re.compile(r"[a-z][a-z0-9-]{0,22}[a-z0-9]")
"""24, so that an endpoint's name, which has the deployment's before it, stays within 63."""

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
        models: further models by name, each behind an endpoint of its own.
        feedback: whether the API keeps photos that people name.
        capture_below: the API keeps photos whose best category is less probable, above 0 to 1;
            None for no photo.
        data_capture: per cent of the endpoints' requests that are kept with their answers, 1 to
            100; None for none.

    Raises:
        DeployError: a value outside these.
    """

    artifact: Path
    image: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    lambda_only: bool = False
    memory_mb: int | None = None
    limits: UsageLimits | None = None
    models: tuple[tuple[str, Path], ...] = ()
    feedback: bool = False
    capture_below: float | None = None
    data_capture: int | None = None
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
        if self.capture_below is not None and not 0 < self.capture_below <= 1:
            raise DeployError(
                f"capture below {self.capture_below}: expected a probability above 0, to 1",
                hint="leave it out to keep no photo",
            )
        self._check_data_capture()
        self._check_models()

    def _check_data_capture(self) -> None:
        if self.data_capture is None:
            return
        if not 1 <= self.data_capture <= 100:  # noqa: PLR2004 - per cent
            raise DeployError(
                f"data capture of {self.data_capture} %: expected 1 to 100",
                hint="leave it out to keep no request",
            )
        if self.lambda_only:
            raise DeployError(
                f"data capture of {self.data_capture} % with the model in the function:"
                " expected an endpoint, which is what captures",
                hint="leave --lambda-only out, or keep unsure photos with --capture-below",
            )

    def _check_models(self) -> None:
        names = [name for name, _ in self.models]
        for name in names:
            if not _MODEL_NAME.fullmatch(name) or name == DEFAULT_MODEL or names.count(name) > 1:
                raise DeployError(
                    f"model name {name!r}: expected 2 to 24 lower-case letters, digits and hyphens,"
                    f" a letter first, each name once and none {DEFAULT_MODEL!r}",
                    hint="for example --model refund=models/refund",
                )
        if names and self.lambda_only:
            raise DeployError(
                f"model {names[0]} beside a model in the function: expected endpoints",
                hint="leave --lambda-only out, or deploy each model under a --name of its own",
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
