"""SageMaker's training container as this program finds it, read once at the start."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import BASE_DIR, BASE_DIR_VARIABLE, TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a training job finds its input and leaves its output.

    Source: SageMaker developer guide, *Use your own training algorithms*.
    """

    base_dir: Path
    job_name: str
    threads: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables that SageMaker sets; OMP_NUM_THREADS defaults to every core."""
        return cls(
            base_dir=Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)),
            job_name=environ.get("TRAINING_JOB_NAME", ""),
            threads=int(environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
        )

    @property
    def model_dir(self) -> Path:
        """What is in here at the end becomes model.tar.gz."""
        return self.base_dir / "model"

    @property
    def output_data_dir(self) -> Path:
        """What is in here at the end becomes output.tar.gz."""
        return self.base_dir / "output" / "data"

    @property
    def failure_file(self) -> Path:
        """Its first 1,024 characters become the job's FailureReason."""
        return self.base_dir / "output" / "failure"

    @property
    def checkpoints_dir(self) -> Path:
        """Mirrored to S3 while the job runs."""
        return self.base_dir / "checkpoints"

    def hyperparameters(self) -> dict[str, str]:
        """The job's hyperparameters as they arrive, all strings.

        Raises:
            TrainingError: hyperparameters.json is not a JSON object.
        """
        path = self.base_dir / "input" / "config" / "hyperparameters.json"
        try:
            document = json.loads(path.read_text()) if path.exists() else {}
        except json.JSONDecodeError as error:
            raise TrainingError(f"{path.name} is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise TrainingError(f"{path.name} holds {type(document).__name__}, not an object")
        return {str(name): str(value) for name, value in document.items()}

    def channel_dir(self, name: str) -> Path | None:
        """The folder of an input channel, or None where the job has no such channel."""
        folder = self.base_dir / "input" / "data" / name
        return folder if folder.is_dir() else None
