"""How many predictions are right, where photos' names carry the class: `image_7_label_3.png`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batch.outcomes import Outcome

_LABEL = re.compile(r"label_(\d+)")
_LARGEST = 1_000_000  # a longer run of digits is a date or a serial number, no class


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """Of one class: how often it is right when named, how many of its photos are found, and both.

    `precision` is None where it was never predicted, `recall` and `f1` where no photo is of it.
    """

    label: int
    precision: float | None
    recall: float | None
    f1: float | None
    photos: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of all photos whose names carry a class and that have an answer."""

    photos: int
    right: int
    accuracy: float
    classes: tuple[ClassAccuracy, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def class_in_name(name: str) -> int | None:
    """The class that a photo's own name carries, not its folder's; None where it carries none."""
    found = _LABEL.findall(name.rpartition("/")[2])
    return int(found[-1]) if found and len(found[-1]) < len(str(_LARGEST)) else None


def measure_accuracy(outcomes: Iterable[tuple[str, Outcome]]) -> Accuracy | None:
    """Count pairs of class and prediction; None where no name carries a class."""
    pairs: Counter[tuple[int, int]] = Counter()
    for name, outcome in outcomes:
        label = class_in_name(name)
        if label is not None and outcome.prediction is not None:
            pairs[label, outcome.prediction] += 1
    if not pairs:
        return None
    photos, right = pairs.total(), sum(n for (label, found), n in pairs.items() if label == found)
    return Accuracy(photos, right, right / photos, _by_class(pairs))


def _by_class(pairs: Counter[tuple[int, int]]) -> tuple[ClassAccuracy, ...]:
    shown: Counter[int] = Counter()
    named: Counter[int] = Counter()
    for (label, found), count in pairs.items():
        shown[label] += count
        named[found] += count
    return tuple(
        _of_class(label, pairs[label, label], shown[label], named[label])
        for label in sorted({*shown, *named})
    )


def _of_class(label: int, right: int, shown: int, named: int) -> ClassAccuracy:
    precision = right / named if named else None
    recall = right / shown if shown else None
    f1 = 2 * right / (shown + named) if shown else None
    return ClassAccuracy(label, precision, recall, f1, shown)


def accuracy_lines(measured: Accuracy) -> list[str]:
    """The classification report as text."""
    lines = [
        f"accuracy {measured.accuracy:.2%} ({measured.right:,} of {measured.photos:,})",
        f"{'class':>10} {'precision':>10} {'recall':>10} {'F1':>10} {'photos':>10}",
    ]
    for one in measured.classes:
        figures = " ".join(f"{_two(value):>10}" for value in (one.precision, one.recall, one.f1))
        lines.append(f"{one.label:>10} {figures} {one.photos:>10,}")
    return lines


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
