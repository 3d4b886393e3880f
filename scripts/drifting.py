"""A model and photos that came in, beside photos that it was made for."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from contracts import DatasetError, PhotoError
from evaluation.drift import FEWEST, Shift, category_shift, measure_drift
from evaluation.verdict import energies
from recordio_prep.sources.folders import PHOTO_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hosting.model import Model

_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as the check of photos uses


@dataclass(frozen=True, slots=True)
class Looked:
    """What a model, and plain figures, say of photos in a folder.

    Attributes:
        properties: (N,) by name: what the network saw and how sure it was.
        best: (N,), the category named.
        unreadable: photos that could not be read.
    """

    properties: dict[str, NDArray[np.float64]]
    best: NDArray[np.int64]
    unreadable: int


@dataclass(frozen=True, slots=True)
class Drift:
    """What comparing came to; `categories` has each category's share before and after."""

    shifts: list[Shift]
    categories: dict[str, tuple[float, float]]
    photos: tuple[int, int]
    unreadable: tuple[int, int]

    @property
    def size(self) -> str:
        """The largest of all shifts: `none`, `moderate` or `large`."""
        sizes = {shift.size for shift in self.shifts}
        return next((size for size in ("large", "moderate") if size in sizes), "none")

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        shifts = [
            {name: None if value != value else value for name, value in asdict(shift).items()}  # noqa: PLR0124 - NaN
            | {"size": shift.size}
            for shift in self.shifts
        ]
        return {**asdict(self), "shifts": shifts, "size": self.size}


def find_drift(model: Model, incoming: Path, reference: Path) -> Drift:
    """Compare photos that came in with those of before.

    Args:
        model: that answers, or answered.
        incoming: a folder; photos of whatever depth, in whatever folders.
        reference: a folder, likewise: photos that the model was validated or tested on.

    Raises:
        DatasetError: fewer than 30 photos can be read on either side.
    """
    before, after = _look(model, reference), _look(model, incoming)
    for folder, looked in ((reference, before), (incoming, after)):
        if len(looked.best) < FEWEST:
            raise DatasetError(
                f"{folder}: {len(looked.best)} photos that can be read, expected {FEWEST} or more",
                hint="fewer say nothing about a drift",
            )
    shifts = measure_drift(before.properties, after.properties)
    shifts.append(category_shift(before.best, after.best, len(model.classes)))
    return Drift(
        sorted(shifts, key=lambda shift: -shift.index),
        _shares(model.classes, before.best, after.best),
        (len(before.best), len(after.best)),
        (before.unreadable, after.unreadable),
    )


def table(drift: Drift) -> list[str]:
    """The drift as lines for a person."""
    lines = [f"{'property':<14}{'index':>8}{'p':>10}{'before':>10}{'after':>10}  drift"]
    for shift in drift.shifts:
        means = "".join(" " * 10 if m != m else f"{m:>10.3f}" for m in (shift.before, shift.after))  # noqa: PLR0124 - NaN
        lines.append(
            f"{shift.name:<14}{shift.index:>8.3f}{shift.p_value:>10.2g}{means}  {shift.size}"
        )
    moved = sorted(drift.categories.items(), key=lambda one: -abs(one[1][1] - one[1][0]))
    lines += [f"{name}: {old:.1%} before, {new:.1%} now" for name, (old, new) in moved[:5]]
    if any(drift.unreadable):
        lines.append(f"unreadable: {drift.unreadable[0]} before, {drift.unreadable[1]} now")
    return lines


def _look(model: Model, root: Path) -> Looked:
    files = (path for path in root.rglob("*") if path.suffix.lower() in PHOTO_EXTENSIONS)
    paths = sorted(path for path in files if path.is_file())
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        asked = pool.map(lambda path: _ask(model, path), paths)
        found = list(tqdm(asked, total=len(paths), unit="photo", desc=root.name))
    read = [one for one in found if one is not None]
    names = read[0][1] if read else {}
    return Looked(
        {name: np.array([values[name] for _, values in read]) for name in names},
        np.array([best for best, _ in read], np.int64),
        len(paths) - len(read),
    )


def _ask(model: Model, path: Path) -> tuple[int, dict[str, float]] | None:
    """The category named and the properties of one photo; None if it cannot be read."""
    try:
        array = model.preparation.array(path.read_bytes())
    except (PhotoError, OSError):
        return None
    probabilities, logits = model.predict_both(array[np.newaxis])
    values = {"confidence": float(probabilities[0].max()), **_appearance(model, array)}
    if logits is not None:
        values["energy"] = float(energies(logits)[0])
    return int(probabilities[0].argmax()), values


def _appearance(model: Model, array: NDArray[np.float32]) -> dict[str, float]:
    """Of what the network saw, on the scale of 0 to 255."""
    prepared = model.preparation
    mean, std = (np.array(each)[:, None, None] for each in (prepared.mean, prepared.std))
    colours = array * std + mean
    luma = np.tensordot(_LUMA, colours, 1)
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "colour": float((colours.max(axis=0) - colours.min(axis=0)).mean()),
    }


def _shares(
    classes: Sequence[str], before: NDArray[np.int64], after: NDArray[np.int64]
) -> dict[str, tuple[float, float]]:
    counts = Counter(before.tolist()), Counter(after.tolist())
    return {
        name: (counts[0][k] / len(before), counts[1][k] / len(after))
        for k, name in enumerate(classes)
        if counts[0][k] or counts[1][k]
    }
