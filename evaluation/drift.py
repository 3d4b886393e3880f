"""Do photos that come in still look like those that a model was made for?

The population stability index compares two samples in bins: the sum of (q - p) ln(q / p). Without
drift it is about 1/N + 1/M times a chi-squared variable with one degree less than there are bins
(Yurdakul and Naranjo, *Statistical properties of the population stability index*, 2020): the same
index means more with more photos. From 0.1 on a change is called moderate, from 0.25 on large, as
credit scoring does (Siddiqi, *Credit Risk Scorecards*, 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MODERATE, LARGE = 0.1, 0.25
SIGNIFICANCE = 0.01
BINS = 10
FEWEST = 30
"""Photos on either side, below which nothing is said."""

_ADDED = 0.5  # to each count, so that an empty bin does not make the index infinite


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one property has moved.

    Attributes:
        name: of the property.
        index: the population stability index, 0 for the same shares.
        p_value: of an index as large without any drift.
        before: mean over the reference photos; NaN of a category.
        after: mean over those that came in.
    """

    name: str
    index: float
    p_value: float
    before: float
    after: float

    @property
    def size(self) -> str:
        """`none`, `moderate` or `large`; `none` also where it may be chance."""
        if self.p_value > SIGNIFICANCE or self.index < MODERATE:
            return "none"
        return "large" if self.index >= LARGE else "moderate"


def measure_drift(
    reference: Mapping[str, NDArray[np.float64]], incoming: Mapping[str, NDArray[np.float64]]
) -> list[Shift]:
    """The shift of every property, the largest first.

    Args:
        reference: values by property, (N,), N at least FEWEST.
        incoming: of the same properties, (M,), M at least FEWEST.
    """
    shifts = [_shift(name, values, incoming[name]) for name, values in reference.items()]
    return sorted(shifts, key=lambda shift: -shift.index)


def category_shift(
    reference: NDArray[np.int64], incoming: NDArray[np.int64], classes: int
) -> Shift:
    """The shift of the categories that are named.

    Args:
        reference: (N,), classes from 0.
        incoming: (M,).
        classes: how many there are; those that neither has are no bins.
    """
    before, after = (np.bincount(each, minlength=classes) for each in (reference, incoming))
    seen = (before + after) > 0
    index, p_value = _stability(before[seen], after[seen])
    return Shift("category", index, p_value, float("nan"), float("nan"))


def _shift(name: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> Shift:
    # Between equals (confidences of 1, say) there is no edge: fewer bins, each with some photos.
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        for values in (before, after)
    ]
    index, p_value = _stability(*counts)
    return Shift(name, index, p_value, float(before.mean()), float(after.mean()))


def _stability(before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[float, float]:
    if len(before) < 2:  # noqa: PLR2004 - one bin holds everything, before and after
        return 0.0, 1.0
    first, second = before + _ADDED, after + _ADDED
    shares = first / first.sum(), second / second.sum()
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    scale = 1 / before.sum() + 1 / after.sum()
    return index, float(chi2.sf(index / scale, len(before) - 1))
