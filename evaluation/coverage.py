"""How accuracy rises when the least certain answers are withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 20


def coverage_curve(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Accuracy of the most certain share of the photos, in STEPS equal shares up to all.

    Photos of equal confidence are answered together or not at all, as a threshold would.

    Returns:
        `coverage` (share answered), `threshold` (confidence that takes), `accuracy` of those.
    """
    order = np.argsort(-confidence, kind="stable")
    falling, hits = confidence[order], np.cumsum(right[order])
    points: dict[int, dict[str, Any]] = {}
    for step in range(1, STEPS + 1):
        threshold = falling[max(1, round(len(falling) * step / STEPS)) - 1]
        answered = int(np.searchsorted(-falling, -threshold, "right"))
        points[answered] = {
            "coverage": answered / len(falling),
            "threshold": float(threshold),
            "accuracy": float(hits[answered - 1] / answered),
        }
    return list(points.values())
