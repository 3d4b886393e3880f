"""SageMaker's inference container as this program finds it, read once at the start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import BASE_DIR, BASE_DIR_VARIABLE
from hosting.runtimes import RUNTIME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the model lies, where to listen, and how many threads to compute with.

    `batch` says that the photos of a batch transform come, one a request. `runtime` is one of
    RUNTIME_FILES; empty leaves it to the model card.

    Source: SageMaker developer guide, *Use your own inference code*.
    """

    model_dir: Path
    host: str
    port: int
    threads: int
    batch: bool = False
    runtime: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read SageMaker's variables; SNAPSHELF_* and OMP_NUM_THREADS are ours."""
        return cls(
            model_dir=Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)) / "model",
            host=environ.get("SNAPSHELF_HOST", "127.0.0.1"),
            port=int(environ.get("SAGEMAKER_BIND_TO_PORT", DEFAULT_PORT)),
            threads=int(environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
            batch=environ.get("SAGEMAKER_BATCH", "") == "true",
            runtime=environ.get(RUNTIME_VARIABLE, ""),
        )
