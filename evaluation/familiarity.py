"""The energy that a photo must have to count as like those the model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contracts import TrainingError
from evaluation.verdict import energies

if TYPE_CHECKING:
    from evaluation.answers import Answers

REACH = 0.99
"""Share of the validation photos that count as familiar."""

FEWEST = 20
"""Photos below which the lowest hundredth is not to be told from the lowest photo."""


def fit_bound(answers: Answers, reach: float = REACH) -> float | None:
    """The highest energy that `reach` of the photos have or exceed.

    None where it cannot be told: the model gives probabilities only, or there are fewer than
    FEWEST photos; multi-label answers have no such sum either.

    Raises:
        TrainingError: `reach` is not above 0 and at most 1.
    """
    if not 0 < reach <= 1:
        raise TrainingError(f"reach={reach}, expected a number above 0 and at most 1")
    if not answers.has_energy or answers.multi_label or len(answers) < FEWEST:
        return None
    ordered = np.sort(energies(answers.logits))
    return float(ordered[int(np.floor((1 - reach) * len(ordered) + 1e-9))])
