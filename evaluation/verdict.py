"""Which category an answer names, or none and why: one rule for training, hosting and tests.

NumPy alone, so that hosting need not install what the report is made with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import BELOW_THRESHOLD, DEFAULT_THRESHOLD, NO_VERDICT, UNFAMILIAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """A category, or NO_VERDICT with the reason BELOW_THRESHOLD or UNFAMILIAR."""

    category: str
    reason: str | None = None


def verdict(
    classes: Sequence[str],
    probabilities: Sequence[float] | Floats,
    *,
    thresholds: Mapping[str, float | None],
    default: float = DEFAULT_THRESHOLD,
    energy: float | None = None,
    bound: float | None = None,
) -> Verdict:
    """Name the most probable category, or none.

    What is unlike anything seen is told before what is merely doubtful: a network may be certain
    about a photo of something else altogether, and its probabilities then mean nothing.

    Args:
        classes: names in class order.
        probabilities: (K,), 0..1, calibrated; of equal ones the first counts.
        thresholds: of each category, 0..1. None: no threshold gave the wanted precision, so the
            category is never named.
        default: the threshold of a category that `thresholds` does not hold.
        energy: of the photo, see `energies`; None if the model tells none.
        bound: the lowest energy of a familiar photo; None switches the test off.
    """
    # Written so that a number that is none (NaN) names no category.
    if energy is not None and bound is not None and not energy >= bound:
        return Verdict(NO_VERDICT, UNFAMILIAR)
    best = int(np.argmax(probabilities))
    threshold = thresholds.get(classes[best], default)
    if threshold is None or not probabilities[best] >= threshold:
        return Verdict(NO_VERDICT, BELOW_THRESHOLD)
    return Verdict(classes[best])


def energies(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """logsumexp(logits / temperature) of each row: (N, K) -> (N,), in blocks of bounded memory.

    At temperature 1 this is the negated energy score of Liu et al., "Energy-based
    Out-of-distribution Detection" (2020): high for what resembles the training photos.
    """
    found = np.empty(len(logits))
    for start in range(0, len(logits), _ROWS):
        block = logits[start : start + _ROWS].astype(np.float64) / temperature
        highest = block.max(axis=1, keepdims=True)
        sums = np.exp(block - highest).sum(axis=1)
        found[start : start + _ROWS] = highest[:, 0] + np.log(sums)
    return found
