"""Agreement beyond chance: Matthews' coefficient and Cohen's kappa, without a matrix.

scikit-learn works both out from dense K x K matrices, which are 222 MB each for 5,270 categories,
and warns where they are undefined. The counts of labels and answers are enough; a test holds these
to scikit-learn's figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def matthews(labels: NDArray[np.int64], found: NDArray[np.int64]) -> float | None:
    """Matthews' correlation coefficient, -1..1 (Gorodkin's R_K for more than two categories).

    None where all labels, or all answers, are of one category.
    """
    own, answered = _counts(labels, found)
    photos, right = float(len(labels)), float((labels == found).sum())
    spread = (photos**2 - answered @ answered) * (photos**2 - own @ own)
    if spread <= 0:
        return None
    return float((right * photos - own @ answered) / np.sqrt(spread))


def kappa(labels: NDArray[np.int64], found: NDArray[np.int64]) -> float | None:
    """Cohen's kappa, at most 1; None where labels and answers are all of one category."""
    own, answered = _counts(labels, found)
    photos = float(len(labels))
    by_chance = float(own @ answered) / photos**2
    if by_chance >= 1:
        return None
    return float(((labels == found).mean() - by_chance) / (1 - by_chance))


def _counts(
    labels: NDArray[np.int64], found: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    length = int(max(labels.max(), found.max())) + 1
    own, answered = (np.bincount(each, minlength=length) for each in (labels, found))
    return own.astype(np.float64), answered.astype(np.float64)
