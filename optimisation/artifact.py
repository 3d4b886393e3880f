"""An unpacked artifact gets the best runtimes noted, and 8 bits where they are as right."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import (
    INT8_ONNX_FILE,
    MODEL_CARD_FILE,
    ONNX_FILE,
    RUNTIME_FILES,
    DatasetError,
)
from hosting.model import Model
from hosting.runtimes import is_installed
from optimisation.choosing import fastest_first, held
from optimisation.measuring import measure_accuracy, measure_speed
from optimisation.quantising import quantise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CPU_FILE = Path("/proc/cpuinfo")
_DIGITS = 5


def optimise(
    model_dir: Path,
    *,
    calibration: Sequence[Any],
    photos: Iterable[tuple[Any, int]],
    threads: int,
) -> dict[str, Any]:
    """Quantise, measure and choose; the folder then holds what hosting is to take.

    INT8_ONNX_FILE is written if at least one runtime's accuracy holds with it, and removed if none
    does. The card's `runtimes` are replaced.

    Args:
        model_dir: of the unpacked artifact.
        calibration: pictures float32 (3, H, W), normalised, of training photos.
        photos: likewise of photos that the network was not trained on, with their labels.
        threads: for one prediction.

    Returns:
        The card's `runtimes`.

    Raises:
        ArtifactError: the artifact cannot be loaded.
        DatasetError: there are no pictures.
    """
    if not calibration:
        raise DatasetError("0 photos could be read, expected some to quantise the network by")
    with tempfile.TemporaryDirectory(prefix="optimise-", dir=model_dir.parent) as scratch:
        int8 = _candidates(model_dir, Path(scratch), calibration)
        runtimes = _measure(Path(scratch), calibration, photos, threads)
        (model_dir / INT8_ONNX_FILE).unlink(missing_ok=True)
        if any(RUNTIME_FILES[name] == INT8_ONNX_FILE for name in runtimes["order"]):
            int8.replace(model_dir / INT8_ONNX_FILE)
    path = model_dir / MODEL_CARD_FILE
    card = json.loads(path.read_text()) | {"runtimes": runtimes}
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False))
    return runtimes


def _candidates(model_dir: Path, scratch: Path, calibration: Sequence[Any]) -> Path:
    """An artifact that has the quantised network too; returns that one's path."""
    for name in (ONNX_FILE, MODEL_CARD_FILE):
        (scratch / name).symlink_to((model_dir / name).resolve())
    int8 = scratch / INT8_ONNX_FILE
    quantise(model_dir / ONNX_FILE, (each[np.newaxis] for each in calibration), int8)
    return int8


def _measure(
    folder: Path, calibration: Sequence[Any], photos: Iterable[tuple[Any, int]], threads: int
) -> dict[str, Any]:
    models = {
        name: Model.load(folder, threads=threads, runtime=name)
        for name in RUNTIME_FILES
        if is_installed(name)
    }
    count, accuracies = measure_accuracy(models, photos)
    speeds = measure_speed(models, calibration)
    objections = held(accuracies, count)
    allowed = {name: speeds[name] for name, objection in objections.items() if not objection}
    return {
        "order": fastest_first(allowed),
        "measured": {
            name: {
                "accuracy": round(accuracies[name].accuracy, _DIGITS),
                "equal_verdicts": round(accuracies[name].equal_verdicts, _DIGITS),
                **speeds[name].to_dict(),
                "megabytes": round((folder / RUNTIME_FILES[name]).stat().st_size / 1e6, 2),
                "objection": objections[name] or None,
            }
            for name in models
        },
        "photos": count,
        "calibration_photos": len(calibration),
        "machine": {"processor": _processor(), "threads": threads, "cores": os.cpu_count()},
    }


def _processor() -> str:
    """The processor's model as the kernel names it, or an empty text."""
    lines = _CPU_FILE.read_text().splitlines() if _CPU_FILE.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "")
