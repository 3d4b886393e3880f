"""How good the answers are on each level of the category tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.agreement import kappa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from evaluation.answers import Answers
    from evaluation.ranked import Ranked


def measure_levels(
    answers: Answers, ranked: Ranked, tree: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Of each level, top first: `level` (from 1), `categories`, `right`, `accuracy`, `kappa`.

    An answer is right on a level if it lies below the same place there as the label does. A place
    is its whole way down from the top, since names repeat across a tree. A category that the tree
    lacks, or that ends higher up, stands for itself.
    """
    ways = [tuple(tree.get(name) or (name,)) for name in answers.classes]
    deepest = max(map(len, ways))
    if not any(tree.get(name) for name in answers.classes):
        return []
    return [_level(answers, ranked, _places(ways, level), level) for level in range(1, deepest + 1)]


def _places(ways: list[tuple[str, ...]], level: int) -> NDArray[np.int64]:
    """(K,): a number for each class, the same where the way down to the level is."""
    numbers: dict[tuple[str, ...], int] = {}
    return np.array([numbers.setdefault(way[:level], len(numbers)) for way in ways], np.int64)


def _level(
    answers: Answers, ranked: Ranked, places: NDArray[np.int64], level: int
) -> dict[str, Any]:
    labels, found = places[answers.labels], places[ranked.best]
    return {
        "level": level,
        "categories": int(places.max()) + 1,
        "right": int((labels == found).sum()),
        "accuracy": float((labels == found).mean()),
        "kappa": kappa(labels, found),
    }
