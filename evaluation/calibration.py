"""Whether "90 % certain" is right nine times in ten, and the temperature that makes it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.optimize import minimize_scalar

from evaluation.answers import Answers
from evaluation.ranked import rank
from evaluation.verdict import energies

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 15
"""As in Guo et al., "On Calibration of Modern Neural Networks" (2017), whose two ideas these are:
the expected calibration error, and one temperature for all categories."""

LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of a temperature. One found there says that the validation photos do not determine it."""

_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True, slots=True)
class Temperature:
    """What logits are divided by before the softmax; `note` says what was odd about the fit."""

    value: float
    note: str = ""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """The temperature at which the labels' log loss is lowest.

    Where no photo is answered wrongly, any lower temperature looks better still, so that nothing
    can be learnt about doubt: 1 is then kept.

    Args:
        logits: (N, K), finite.
        labels: (N,) indices, or (N, K) of 0 and 1.

    Raises:
        TrainingError: the shapes or values are not such.
    """
    matrix = np.asarray(logits, np.float32)
    classes = tuple(str(number) for number in range(matrix.shape[-1]))
    answers = Answers(classes, np.asarray(labels), matrix)
    if _separated(answers):
        return Temperature(1.0, "no photo is answered wrongly, which leaves the temperature open")
    every = -(-answers.logits.size // _MOST_NUMBERS)
    used = answers.select(np.arange(0, len(answers), every)) if every > 1 else answers
    found = minimize_scalar(
        lambda log: log_loss(used, float(np.exp(log))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    value = float(np.exp(found.x))
    return Temperature(value, _note(value, every, len(used)))


def _separated(answers: Answers) -> bool:
    if answers.multi_label:
        return bool(np.all((answers.logits > 0) == (answers.labels == 1)))
    return bool(rank(answers).right.all())


def _note(value: float, every: int, photos: int) -> str:
    notes = []
    if not LOWEST * 1.01 < value < HIGHEST / 1.01:
        notes.append(f"held at {value:.3g}, the end of what is tried")
    if every > 1:
        notes.append(f"fitted on {photos:,} photos, every {every}th")
    return "; ".join(notes)


def log_loss(answers: Answers, temperature: float = 1.0) -> float:
    """Mean of -log p of the label; of multi-label answers also over the categories."""
    if answers.multi_label:
        scaled = answers.logits / np.float32(temperature)
        signs = np.where(answers.labels == 1, np.float32(-1), np.float32(1))
        return float(np.logaddexp(np.float32(0), signs * scaled).mean(dtype=np.float64))
    own = answers.logits[np.arange(len(answers)), answers.labels].astype(np.float64)
    return float((energies(answers.logits, temperature) - own / temperature).mean())


def apply(logits: ArrayLike, temperature: float) -> NDArray[np.float32]:
    """softmax(logits / temperature): (N, K) -> (N, K), rows adding up to 1."""
    matrix = np.asarray(logits, np.float32)
    scaled = matrix / np.float32(temperature)
    sums = energies(matrix, temperature).astype(np.float32)
    found: NDArray[np.float32] = np.exp(scaled - sums[:, np.newaxis])
    return found


def expected_calibration_error(
    confidences: ArrayLike, right: ArrayLike, *, equal: Literal["width", "mass"] = "width"
) -> float:
    """Mean distance of confidence and accuracy over BINS bins, weighted by their photos; 0..1."""
    bins = reliability(confidences, right, equal=equal)
    photos = sum(entry["photos"] for entry in bins)
    total = sum(entry["photos"] * abs(entry["confidence"] - entry["accuracy"]) for entry in bins)
    return float(total / photos)


def reliability(
    confidences: ArrayLike, right: ArrayLike, *, equal: Literal["width", "mass"] = "width"
) -> list[dict[str, Any]]:
    """The reliability diagram's bins that hold a photo, from low to high.

    Args:
        confidences: (N,), 0..1.
        right: (N,) of 0 and 1: whether the answer was right.
        equal: bins of equal width on 0..1, or as near to equally many photos as goes.

    Returns:
        `photos`, mean `confidence` and `accuracy` of each.
    """
    values = np.asarray(confidences, np.float64)
    hits = np.asarray(right, np.float64)
    if equal == "mass":
        groups = np.array_split(np.argsort(values, kind="stable"), BINS)
    else:
        places = np.minimum((values * BINS).astype(int), BINS - 1)
        groups = [np.flatnonzero(places == place) for place in range(BINS)]
    return [
        {
            "photos": len(group),
            "confidence": float(values[group].mean()),
            "accuracy": float(hits[group].mean()),
        }
        for group in groups
        if len(group)
    ]
