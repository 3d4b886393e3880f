"""What the verdicts come to on many photos at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.one_against_rest import against_rest
from evaluation.ranked import rank
from evaluation.verdict import energies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.answers import Answers
    from evaluation.trust import Trust


def measure_verdicts(answers: Answers, trust: Trust) -> dict[str, Any]:
    """What the verdicts come to on these photos, as `verdict` would give them one by one.

    Returns:
        `named`, `below_threshold`, `unfamiliar` (photos), `coverage` (share named), `accuracy`
        (share of the named that are right; None if none is named).
    """
    ranked = rank(answers, trust.temperature)
    limits = np.array([_limit(trust, name) for name in answers.classes])
    unfamiliar = _unfamiliar(answers, trust)
    below = ~unfamiliar & (ranked.confidence < limits[ranked.best])
    named = ~unfamiliar & ~below
    return {
        "named": int(named.sum()),
        "below_threshold": int(below.sum()),
        "unfamiliar": int(unfamiliar.sum()),
        "coverage": float(named.mean()),
        "accuracy": float(ranked.right[named].mean()) if named.any() else None,
    }


def measure_multi_label_verdicts(answers: Answers, trust: Trust) -> dict[str, Any]:
    """Precision, recall and F1 of naming every category at its threshold, over all of them."""
    right = named = own = 0
    for name, one in zip(answers.classes, against_rest(answers, trust.temperature), strict=True):
        above = one.scores >= _limit(trust, name)
        right += int((above & one.own).sum())
        named, own = named + int(above.sum()), own + one.positives
    return {
        "precision": right / named if named else None,
        "recall": right / own if own else None,
        "f1": 2 * right / (named + own) if right else 0.0,
    }


def _limit(trust: Trust, name: str) -> float:
    value = trust.threshold(name)
    return float("inf") if value is None else value


def _unfamiliar(answers: Answers, trust: Trust) -> NDArray[np.bool_]:
    if trust.bound is None or not answers.has_energy:
        return np.zeros(len(answers), bool)
    found: NDArray[np.bool_] = energies(answers.logits) < trust.bound
    return found
