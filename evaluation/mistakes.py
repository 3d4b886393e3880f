"""The wrong answers that the model was surest of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.ranked import rank

if TYPE_CHECKING:
    from evaluation.answers import Answers

MOST = 24


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer: the photo's index and name, and both categories with their probability."""

    photo: int
    name: str
    label: str
    answer: str
    confidence: float
    label_probability: float


def worst_mistakes(answers: Answers, temperature: float = 1.0, most: int = MOST) -> list[Mistake]:
    """The surest first; none of multi-label answers, which are not right or wrong as a whole."""
    if answers.multi_label:
        return []
    ranked = rank(answers, temperature)
    order = np.argsort(-ranked.confidence, kind="stable")
    wrong = order[~ranked.right[order]][:most]
    return [
        Mistake(
            photo=int(photo),
            name=f"photo {photo}" if answers.names is None else answers.names[photo],
            label=answers.classes[answers.labels[photo]],
            answer=answers.classes[ranked.best[photo]],
            confidence=float(ranked.confidence[photo]),
            label_probability=float(np.exp(ranked.label_log[photo])),
        )
        for photo in wrong
    ]
