"""Each category against all others: what its probability tells, photo by photo.

scikit-learn sorts every column: at 5,270 categories and 20,000 photos some 29 s for the AUC and
23 s for the average precision (from 150 columns, one core). Ranks are needed at the category's own
photos only, of which there are then about four; counting at those takes half a second for both,
beside 2 s for the columns, and gives the same figures, to which a test holds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.verdict import energies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from evaluation.answers import Answers

    Column = NDArray[np.float32]

_COLUMNS = 64
_FEW = 32


@dataclass(frozen=True, slots=True, eq=False)
class AgainstRest:
    """One category's column of probabilities, and which of the photos are its own.

    Attributes:
        scores: (N,) float32, 0..1.
        own: (N,), whether the photo is of the category.
    """

    scores: Column
    own: NDArray[np.bool_]

    @property
    def positives(self) -> int:
        """How many photos are of the category."""
        return int(self.own.sum())

    def candidates(self) -> tuple[Column, NDArray[np.int64], NDArray[np.int64]]:
        """Thresholds worth looking at: each own photo's score, falling.

        Returns:
            (P,) scores; (P,) photos that reach each; (P,) own photos that reach each. Between two
            of them recall stays and precision can only fall, so the best ones are among them.
        """
        cuts = np.sort(self.scores[self.own])
        return cuts[::-1], _reach(self.scores, cuts)[::-1], _reach(cuts, cuts)[::-1]

    def roc_auc(self) -> float | None:
        """How often an own photo's score is above another's, half for equal; None if undefined."""
        cuts = np.sort(self.scores[self.own])
        others = len(self.scores) - len(cuts)
        if not len(cuts) or not others:
            return None
        reached = _reach(self.scores, cuts) - _reach(cuts, cuts)
        above = _reach(self.scores, cuts, strictly=True) - _reach(cuts, cuts, strictly=True)
        won = (others - (reached + above) / 2).sum()
        return float(won / (len(cuts) * others))

    def average_precision(self) -> float | None:
        """Mean precision at the own photos' scores; None without such photos."""
        _, reached, right = self.candidates()
        return float((right / reached).mean()) if len(right) else None


def against_rest(answers: Answers, temperature: float = 1.0) -> Iterator[AgainstRest]:
    """Every category's column, in class order, a few at a time."""
    sums = None if answers.multi_label else energies(answers.logits, temperature)
    for start in range(0, len(answers.classes), _COLUMNS):
        block = np.ascontiguousarray(answers.logits[:, start : start + _COLUMNS].T)
        for offset, row in enumerate(block):
            yield AgainstRest(_scores(row, sums, temperature), _own(answers, start + offset))


def column(answers: Answers, category: int, temperature: float = 1.0) -> AgainstRest:
    """One category's column, by its index."""
    sums = None if answers.multi_label else energies(answers.logits, temperature)
    row = answers.logits[:, category]
    return AgainstRest(_scores(row, sums, temperature), _own(answers, category))


def _scores(row: Column, sums: NDArray[np.float64] | None, temperature: float) -> Column:
    scaled = row / np.float32(temperature)
    if sums is None:
        logs = -np.logaddexp(np.float32(0), -scaled)
    else:
        logs = np.minimum(scaled - sums.astype(np.float32), np.float32(0))
    found: Column = np.exp(logs)
    return found


def _own(answers: Answers, category: int) -> NDArray[np.bool_]:
    labels = answers.labels[:, category] if answers.multi_label else answers.labels
    own: NDArray[np.bool_] = labels == (1 if answers.multi_label else category)
    return own


def _reach(values: Column, cuts: Column, *, strictly: bool = False) -> NDArray[np.int64]:
    """How many of the values are at each cut or above (strictly: above)."""
    if len(cuts) <= _FEW:
        compare = np.greater if strictly else np.greater_equal
        return np.array([np.count_nonzero(compare(values, cut)) for cut in cuts], np.int64)
    below = np.searchsorted(np.sort(values), cuts, "right" if strictly else "left")
    return len(values) - below
