"""The probability from which on a category is named: best F1, or a wanted precision."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import DEFAULT_THRESHOLD, TrainingError
from evaluation.one_against_rest import against_rest

if TYPE_CHECKING:
    from evaluation.answers import Answers
    from evaluation.one_against_rest import AgainstRest

FEWEST = 5
"""Photos of a category below which its threshold would be chance."""

_JUST_BELOW = 1 - 1e-5
"""A threshold lies a little under the score it was found at, or another runtime's rounding of the
same photo would fall short of it."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A category's threshold and what it gives on the photos it was chosen on.

    Attributes:
        category: its name.
        value: 0..1; None where no threshold reaches the wanted precision.
        precision: share of the photos at it or above that are of the category; None if none is.
        recall: share of the category's photos that are at it or above; None if there are none.
        f1: their harmonic mean, 0 where one of them is None.
        coverage: share of all photos at it or above.
        positives: photos of the category.
        how: "best F1", "wanted precision", "too few photos" or "precision not reached".
    """

    category: str
    value: float | None
    precision: float | None
    recall: float | None
    f1: float
    coverage: float
    positives: int
    how: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def choose_thresholds(
    answers: Answers, *, temperature: float = 1.0, wanted_precision: float | None = None
) -> list[Threshold]:
    """A threshold for each category, in class order, each against all others.

    Args:
        answers: to validation photos, which the model has not been trained on.
        temperature: that the probabilities are calibrated with.
        wanted_precision: 0..1: the lowest threshold that reaches it. None: the best F1.

    Raises:
        TrainingError: `wanted_precision` is not above 0 and at most 1.
    """
    check_precision(wanted_precision)
    columns = against_rest(answers, temperature)
    return [
        choose_threshold(name, one, wanted_precision)
        for name, one in zip(answers.classes, columns, strict=True)
    ]


def check_precision(wanted_precision: float | None) -> None:
    """Refuse, as a TrainingError, what is not above 0 and at most 1."""
    if wanted_precision is not None and not 0 < wanted_precision <= 1:
        raise TrainingError(
            f"wanted_precision={wanted_precision}, expected a number above 0 and at most 1"
        )


def choose_threshold(
    category: str, against: AgainstRest, wanted_precision: float | None = None
) -> Threshold:
    """One category's threshold; see `choose_thresholds`."""
    if against.positives < FEWEST:
        return threshold_at(category, against, DEFAULT_THRESHOLD, "too few photos")
    scores, reached, right = against.candidates()
    if wanted_precision is None:
        # F1 = 2 TP / (photos at it or above + photos of the category)
        best = int(np.argmax(right / (reached + against.positives)))
        return threshold_at(category, against, float(scores[best]) * _JUST_BELOW, "best F1")
    for score in scores[right / reached >= wanted_precision][::-1]:
        found = threshold_at(category, against, float(score) * _JUST_BELOW, "wanted precision")
        if found.precision is not None and found.precision >= wanted_precision:
            return found
    return Threshold(
        category, None, None, 0.0, 0.0, 0.0, against.positives, "precision not reached"
    )


def threshold_at(category: str, against: AgainstRest, value: float, how: str) -> Threshold:
    """What a threshold gives on these photos."""
    named = against.scores >= value
    right, answered = int((named & against.own).sum()), int(named.sum())
    return Threshold(
        category=category,
        value=value,
        precision=right / answered if answered else None,
        recall=right / against.positives if against.positives else None,
        f1=2 * right / (answered + against.positives) if right else 0.0,
        coverage=answered / len(named),
        positives=against.positives,
        how=how,
    )
