"""How right and how fast each runtime is, asked the same photos by turns."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import DEFAULT_RUNTIME, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hosting.model import Answer, Model

BATCH = 32
"""Photos of a batch whose throughput is measured, and at once where answers are compared."""

ROUNDS = 5
"""Turns that each runtime has: what else the machine does then falls on all of them alike."""

_PHOTOS_A_TURN = 20
_WARMING = 3


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What a runtime's answers to N photos are worth.

    Attributes:
        accuracy: the share, 0..1, whose most probable class is their label.
        equal_verdicts: the share whose verdict, a category or none and why, is DEFAULT_RUNTIME's.
    """

    accuracy: float
    equal_verdicts: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a runtime answers, decoding apart.

    Attributes:
        median_ms: of one photo at a time.
        p95_ms: likewise, the 95th percentile.
        photos_per_second: in batches of BATCH, the median of all rounds.
    """

    median_ms: float
    p95_ms: float
    photos_per_second: float

    def to_dict(self) -> dict[str, float]:
        """Rounded to what such a measurement tells."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def measure_accuracy(
    models: Mapping[str, Model], photos: Iterable[tuple[Any, int]]
) -> tuple[int, dict[str, Accuracy]]:
    """How many photos there were, and what each runtime makes of them.

    Args:
        models: the same artifact by runtime, DEFAULT_RUNTIME among them.
        photos: pictures float32 (3, H, W), normalised, with their labels; read once, and a few at
            a time.

    Raises:
        DatasetError: there is no photo.
    """
    right = dict.fromkeys(models, 0)
    equal = dict.fromkeys(models, 0)
    count = 0
    for pictures, labels in _batches(photos):
        answers = {name: model.answers(pictures) for name, model in models.items()}
        verdicts = {name: _verdicts(models[name], answers[name]) for name in models}
        for name in models:
            right[name] += sum(
                int(np.argmax(answer.probabilities)) == label
                for answer, label in zip(answers[name], labels, strict=True)
            )
            pairs = zip(verdicts[name], verdicts[DEFAULT_RUNTIME], strict=True)
            equal[name] += sum(own == default for own, default in pairs)
        count += len(labels)
    if not count:
        raise DatasetError("0 photos could be read, expected some to measure the network on")
    return count, {name: Accuracy(right[name] / count, equal[name] / count) for name in models}


def measure_speed(models: Mapping[str, Model], pictures: Sequence[Any]) -> dict[str, Speed]:
    """How fast each runtime answers.

    Args:
        models: the same artifact by runtime.
        pictures: float32 (3, H, W) each, normalised; at least one, which are repeated.
    """
    times: dict[str, list[float]] = {name: [] for name in models}
    rates: dict[str, list[float]] = {name: [] for name in models}
    batch = np.stack([pictures[place % len(pictures)] for place in range(BATCH)])
    for _ in range(ROUNDS):
        for name, model in models.items():
            for picture in batch[:_WARMING]:
                model.predict_both(picture[np.newaxis])
            times[name] += [_seconds(model, each[np.newaxis]) for each in batch[:_PHOTOS_A_TURN]]
            rates[name].append(BATCH / _seconds(model, batch))
    return {name: _speed(times[name], rates[name]) for name in models}


def _speed(seconds: Sequence[float], rates: Sequence[float]) -> Speed:
    median, p95 = np.percentile(seconds, (50, 95)) * 1000
    return Speed(float(median), float(p95), float(np.median(rates)))


def _seconds(model: Model, pictures: Any) -> float:
    start = time.perf_counter()
    model.predict_both(pictures)
    return time.perf_counter() - start


def _verdicts(model: Model, answers: Sequence[Answer]) -> list[Any]:
    return [model.verdict(answer) for answer in answers]


def _batches(photos: Iterable[tuple[Any, int]]) -> Iterator[tuple[Any, list[int]]]:
    left = iter(photos)
    while chunk := list(islice(left, BATCH)):
        pictures, labels = zip(*chunk, strict=True)
        yield np.stack(pictures), list(labels)
