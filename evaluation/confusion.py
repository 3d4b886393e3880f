"""What is taken for what: a matrix of few categories, the worst pairs of any number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import confusion_matrix

if TYPE_CHECKING:
    from evaluation.answers import Answers
    from evaluation.ranked import Ranked

MOST_IN_MATRIX = 50
"""Categories beyond which a matrix is no longer readable, and is left out."""

MOST_PAIRS = 50


def confusion(answers: Answers, ranked: Ranked) -> dict[str, Any]:
    """`matrix` (a row a label, a column an answer; None beyond MOST_IN_MATRIX) and `pairs`.

    A pair has `label`, `answer`, `photos` and `share` of the label's photos, the most first.
    """
    classes = len(answers.classes)
    matrix = [[len(answers)]] if classes == 1 else None  # scikit-learn warns of a single one
    if 1 < classes <= MOST_IN_MATRIX:
        found = confusion_matrix(answers.labels, ranked.best, labels=np.arange(classes))
        matrix = found.tolist()
    return {"matrix": matrix, **_pairs(answers, ranked)}


def _pairs(answers: Answers, ranked: Ranked) -> dict[str, Any]:
    wrong = ~ranked.right
    classes = len(answers.classes)
    keys, counts = np.unique(
        answers.labels[wrong] * classes + ranked.best[wrong], return_counts=True
    )
    own = np.bincount(answers.labels, minlength=classes)
    worst = np.lexsort((keys, -counts))[:MOST_PAIRS]
    pairs = [
        {
            "label": answers.classes[keys[n] // classes],
            "answer": answers.classes[keys[n] % classes],
            "photos": int(counts[n]),
            "share": float(counts[n] / own[keys[n] // classes]),
        }
        for n in worst
    ]
    return {"pairs": pairs, "pairs_in_all": len(keys)}
