"""Two models on the same photos: is one better, or is it luck?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binomtest, norm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
_ADDED = 0.5  # to each cell of the 2 x 2 table
_TWO_SIDED = norm.ppf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What N photos say of two models.

    Attributes:
        photos: N.
        first, second: accuracy of each, 0 to 1.
        only_first, only_second: photos that one of them alone has right.
        difference: second less first, -1 to 1.
        interval: of the difference, at 95 %: Wald's with a half added to each cell (Agresti and
            Min, *Simple improved confidence intervals for comparing matched proportions*, 2005).
        p_value: of a difference as large if both were equally good: McNemar's exact test, which
            looks at the photos that one of them alone has right.
    """

    photos: int
    first: float
    second: float
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    @property
    def is_shown(self) -> bool:
        """Whether the photos show a difference, at 95 %."""
        return self.p_value <= 1 - CONFIDENCE


def compare(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Comparison:
    """Compare two models by which photos each had right.

    Args:
        first_right: (N,), N at least 1.
        second_right: (N,), of the same photos in the same order.
    """
    photos = len(first_right)
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    unlike = only_first + only_second
    return Comparison(
        photos=photos,
        first=float(first_right.mean()),
        second=float(second_right.mean()),
        only_first=only_first,
        only_second=only_second,
        difference=(only_second - only_first) / photos,
        interval=_interval(only_first + _ADDED, only_second + _ADDED, photos + 4 * _ADDED),
        p_value=float(binomtest(only_first, unlike).pvalue) if unlike else 1.0,
    )


def _interval(only_first: float, only_second: float, photos: float) -> tuple[float, float]:
    middle = (only_second - only_first) / photos
    spread = only_first + only_second - (only_second - only_first) ** 2 / photos
    half = float(_TWO_SIDED) * math.sqrt(spread) / photos
    return max(-1.0, middle - half), min(1.0, middle + half)
