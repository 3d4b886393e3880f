"""A model and photos that came in, beside photos that it was made for."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tqdm import tqdm

from contracts import DatasetError, PhotoError
from evaluation.drift import FEWEST, Shift, category_shift, measure_drift
from evaluation.verdict import energies

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hosting.model import Model
    from scripts.incoming import Photos, Place

Asked: TypeAlias = "tuple[int, dict[str, float]] | None"
"""The category named and the properties of one photo; None if it cannot be read."""

_ROUND = 64  # places that are handed out at once, so that a sample is not overshot by far
_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as the check of photos uses


@dataclass(frozen=True, slots=True)
class Looked:
    """What a model, and plain figures, say of photos in a folder.

    Attributes:
        properties: (N,) by name: what the network saw and how sure it was.
        best: (N,), the category named.
        unreadable: photos that could not be read.
        passed_over: places that were not looked at, the sample being full.
    """

    properties: dict[str, NDArray[np.float64]]
    best: NDArray[np.int64]
    unreadable: int
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class Drift:
    """What comparing came to.

    Attributes:
        shifts: the largest first.
        categories: each one's share before and after.
        photos: read before and after.
        unreadable: likewise.
        passed_over: files or objects that came in and were not looked at, the sample being full.
    """

    shifts: list[Shift]
    categories: dict[str, tuple[float, float]]
    photos: tuple[int, int]
    unreadable: tuple[int, int]
    passed_over: int

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


def find_drift(model: Model, incoming: Photos, reference: Photos, sample: int) -> Drift:
    """Compare photos that came in with those of before.

    Args:
        model: that answers, or answered.
        incoming: photos that came in.
        reference: photos that the model was validated or tested on.
        sample: of those that came in about so many are looked at, the same of the same places.

    Raises:
        DatasetError: fewer than 30 photos can be read on either side.
    """
    before, after = _look(model, reference), _look(model, incoming, sample)
    for side, looked in ((reference, before), (incoming, after)):
        if len(looked.best) < FEWEST:
            raise DatasetError(
                f"{side.name}: {len(looked.best)} photos that can be read,"
                f" expected {FEWEST} or more",
                hint="fewer say nothing about a drift",
            )
    shifts = measure_drift(before.properties, after.properties)
    shifts.append(category_shift(before.best, after.best, len(model.classes)))
    return Drift(
        sorted(shifts, key=lambda shift: -shift.index),
        _shares(model.classes, before.best, after.best),
        (len(before.best), len(after.best)),
        (before.unreadable, after.unreadable),
        after.passed_over,
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
    if drift.passed_over:
        lines.append(f"a sample: {drift.passed_over} files were not looked at")
    return lines


def _look(model: Model, side: Photos, sample: int | None = None) -> Looked:
    places = sorted(side.places, key=_draw) if sample else side.places
    found: list[Asked] = []
    done = 0
    with tqdm(total=len(places), unit="file", desc=side.name, disable=None) as bar:
        for asked in _asked(model, places):
            found += asked
            done += 1
            bar.update()
            if sample and len(found) >= sample:
                break
    read = [one for one in found if one is not None]
    names = read[0][1] if read else {}
    return Looked(
        {name: np.array([values[name] for _, values in read]) for name in names},
        np.array([best for best, _ in read], np.int64),
        len(found) - len(read),
        len(places) - done,
    )


def _draw(place: Place) -> bytes:
    """A place's own lot: the same places give the same sample, whenever and wherever."""
    return hashlib.sha256(place.name.encode(errors="surrogateescape")).digest()


def _asked(model: Model, places: Sequence[Place]) -> Iterator[list[Asked]]:
    """What the model makes of each place's photos; each core asks with a thread of its own."""

    def ask_all(place: Place) -> list[Asked]:
        try:
            return [_ask(model, photo) for photo in place.photos()]
        except OSError:
            return [None]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        rounds = (places[first : first + _ROUND] for first in range(0, len(places), _ROUND))
        yield from chain.from_iterable(pool.map(ask_all, each) for each in rounds)


def _ask(model: Model, photo: bytes | None) -> Asked:
    try:
        array = model.preparation.array(photo) if photo is not None else None
    except PhotoError:
        return None
    if array is None:
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
