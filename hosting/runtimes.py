"""What computes a network: which library in which precision, chosen by the model card."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Any, Protocol

from contracts import DEFAULT_RUNTIME, MODEL_CARD_FILE, RUNTIME_FILES, ArtifactError, SnapshelfError
from hosting.onnx_runtime import OnnxRuntime
from hosting.openvino_runtime import OpenVino

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

RUNTIME_VARIABLE = "SNAPSHELF_RUNTIME"

_FORKED = "onnxruntime"
"""With one thread a prediction it has none of its own, so that it works on in a fork."""

_OPTIMISE = "`snapshelf optimise` writes what hosting can take"


class RuntimeChoiceError(SnapshelfError):
    """The runtime that was asked for is unknown, or not installed here."""

    code = "runtime"


class Runtime(Protocol):
    """A network that has been loaded; several threads may ask it at once."""

    outputs: tuple[str, ...]

    def run(self, names: Sequence[str], arrays: Any) -> list[Any]:
        """The outputs called `names`, in that order, for pictures float32 (N, 3, H, W)."""


def choose_runtime(card: Mapping[str, Any], wanted: str = "", *, forked: bool = False) -> str:
    """One of RUNTIME_FILES: as wanted, or the card's fastest that can be had here.

    Args:
        card: the model card. One of an artifact that was never optimised gives DEFAULT_RUNTIME.
        wanted: a runtime's name, whatever the card says; empty leaves it to the card.
        forked: whether processes that are forked from this one are to answer. OpenVINO has threads
            of its own, which a fork does not have.

    Raises:
        RuntimeChoiceError: what is wanted is unknown or cannot be had.
        ArtifactError: the card's order is none.
    """
    if wanted:
        if wanted not in RUNTIME_FILES:
            raise RuntimeChoiceError(
                f"{RUNTIME_VARIABLE}={wanted}: expected one of {', '.join(RUNTIME_FILES)}",
                hint="leave it empty to take what the model card says",
            )
        if obstacle := _obstacle(wanted, forked=forked):
            raise RuntimeChoiceError(
                f"{RUNTIME_VARIABLE}={wanted}: {obstacle[0]}",
                hint=f"{obstacle[1]}, or take {DEFAULT_RUNTIME}",
            )
        return wanted
    for name in _order(card):
        obstacle = _obstacle(name, forked=forked)
        if obstacle is None:
            return name
        logger.warning("%s is passed over: %s", name, obstacle[0])
    return DEFAULT_RUNTIME


def open_runtime(name: str, model_dir: Path, threads: int) -> Runtime:
    """Load the artifact's network.

    Args:
        name: one of RUNTIME_FILES, installed here.
        model_dir: the extracted model.tar.gz.
        threads: for one prediction.

    Raises:
        ArtifactError: the file is missing, or is no network.
    """
    path = model_dir / RUNTIME_FILES[name]
    return (OpenVino if name.startswith("openvino") else OnnxRuntime)(path, threads)


def is_installed(name: str) -> bool:
    """Whether this environment has the library of a runtime."""
    return importlib.util.find_spec(name.partition("-")[0]) is not None


def _obstacle(name: str, *, forked: bool) -> tuple[str, str] | None:
    """Why a runtime cannot be had here, and the mend; None if it can."""
    library = name.partition("-")[0]
    if not is_installed(name):
        return f"{library} is not installed", f"pip install {library}"
    if forked and library != _FORKED:
        return f"several workers cannot share {library}", "set one worker"
    return None


def _order(card: Mapping[str, Any]) -> list[str]:
    if "runtimes" not in card:
        return [DEFAULT_RUNTIME]
    runtimes = card["runtimes"]
    order = runtimes.get("order") if isinstance(runtimes, dict) else None
    if not isinstance(order, list) or not order or not RUNTIME_FILES.keys() >= set(map(str, order)):
        raise ArtifactError(
            f"{MODEL_CARD_FILE}: runtimes.order is {order!r}, expected some of "
            f"{', '.join(RUNTIME_FILES)}",
            hint=_OPTIMISE,
        )
    return order
