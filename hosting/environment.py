"""SageMaker's inference container as this program finds it, read once at the start."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from contracts import BASE_DIR, BASE_DIR_VARIABLE, SnapshelfError
from hosting.batch import MAX_BATCH
from hosting.runtimes import RUNTIME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_PORT = 8080
DEFAULT_RELOAD_SECONDS = 2.0

WORKERS_VARIABLE = "SAGEMAKER_MODEL_SERVER_WORKERS"
"""As SageMaker's own inference toolkit calls it."""

MAX_BATCH_VARIABLE, RELOAD_VARIABLE = "SNAPSHELF_MAX_BATCH", "SNAPSHELF_RELOAD_SECONDS"

METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client keeps the figures of several processes."""

_Number = TypeVar("_Number", int, float)


class SettingError(SnapshelfError):
    """A variable of the container's environment holds what it cannot."""

    code = "setting"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the model lies, where to listen, and how to serve.

    Attributes:
        model_dir: the extracted model.tar.gz.
        host: address to listen on.
        port: likewise; 0 lets the system choose.
        threads: for one run of the network, 1 or more; several workers have one each.
        batch: whether the photos of a batch transform come, one a request.
        workers: processes that serve, 1 or more.
        max_batch: pictures in a run of the network, 1 or more.
        reload_seconds: how often the model's folder is looked at; 0 for never.
        runtime: one of RUNTIME_FILES; empty leaves it to the model card.

    Source: SageMaker developer guide, *Use your own inference code*.
    """

    model_dir: Path
    host: str
    port: int
    threads: int
    batch: bool = False
    workers: int = 1
    max_batch: int = MAX_BATCH
    reload_seconds: float = DEFAULT_RELOAD_SECONDS
    runtime: str = ""

    @property
    def decoders(self) -> int:
        """Photos that one process decodes at once: a thread waits for memory, too."""
        return 1 if self.workers > 1 else max(2, self.threads)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Environment:
        """Read SageMaker's variables; SNAPSHELF_* and OMP_NUM_THREADS are ours.

        Raises:
            SettingError: a variable is no number, or out of its range.
        """
        cores = len(os.sched_getaffinity(0))
        return cls(
            model_dir=Path(environ.get(BASE_DIR_VARIABLE, BASE_DIR)) / "model",
            host=environ.get("SNAPSHELF_HOST", "127.0.0.1"),
            port=_read(environ, "SAGEMAKER_BIND_TO_PORT", int, DEFAULT_PORT, least=0),
            threads=_read(environ, "OMP_NUM_THREADS", int, cores, least=1),
            batch=environ.get("SAGEMAKER_BATCH", "") == "true",
            workers=_read(environ, WORKERS_VARIABLE, int, 1, least=1),
            max_batch=_read(environ, MAX_BATCH_VARIABLE, int, MAX_BATCH, least=1),
            reload_seconds=_read(environ, RELOAD_VARIABLE, float, DEFAULT_RELOAD_SECONDS, least=0),
            runtime=environ.get(RUNTIME_VARIABLE, ""),
        )


def _read(
    environ: Mapping[str, str],
    name: str,
    kind: Callable[[str], _Number],
    default: _Number,
    *,
    least: int,
) -> _Number:
    """A number; the default where it is not set, or empty."""
    text = environ.get(name, "")
    if not text:
        return default
    value: _Number | None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value < math.inf:
        raise SettingError(
            f"{name}={text!r}: expected a number, {least} or more",
            hint="set it so, or leave it out",
        )
    return value
