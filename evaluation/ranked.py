"""Each photo's best category, and where its label stands among all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.verdict import energies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from evaluation.answers import Answers

_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """For each of N photos, all arrays (N,).

    Attributes:
        best: index of the most probable category; the first of equal ones.
        confidence: its probability, 0..1.
        label_log: natural logarithm of the label's probability.
        place: where the label stands, from 0 for the best.
    """

    best: NDArray[np.int64]
    confidence: NDArray[np.float64]
    label_log: NDArray[np.float64]
    place: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,): whether the best category is the label."""
        found: NDArray[np.bool_] = self.place == 0
        return found


def rank(answers: Answers, temperature: float = 1.0) -> Ranked:
    """Rank single-label answers; the temperature changes probabilities and never the order."""
    logits, labels = answers.logits, answers.labels
    sums = energies(logits, temperature)
    best = logits.argmax(axis=1)
    rows = np.arange(len(logits))
    places = [_places(block, labels[span]) for span, block in _blocks(logits)]
    return Ranked(
        best=best,
        confidence=np.exp(logits[rows, best].astype(np.float64) / temperature - sums),
        label_log=logits[rows, labels].astype(np.float64) / temperature - sums,
        place=np.concatenate(places),
    )


def _blocks(logits: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    for start in range(0, len(logits), _ROWS):
        span = slice(start, start + _ROWS)
        yield span, logits[span]


def _places(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many categories stand before the label; of equal ones the first does, as in argmax."""
    own = logits[np.arange(len(logits)), labels][:, np.newaxis]
    equal_before = (logits == own) & (np.arange(logits.shape[1]) < labels[:, np.newaxis])
    places: NDArray[np.int64] = ((logits > own) | equal_before).sum(axis=1)
    return places
