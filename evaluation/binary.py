"""One category against the rest: "mobile or not", out of any artifact that knows mobiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.metrics import brier_score_loss

from contracts import TrainingError
from evaluation.agreement import matthews
from evaluation.calibration import expected_calibration_error, reliability
from evaluation.one_against_rest import column
from evaluation.thresholds import choose_threshold

if TYPE_CHECKING:
    from evaluation.answers import Answers
    from evaluation.one_against_rest import AgainstRest


def measure_positive(
    answers: Answers,
    category: str,
    *,
    threshold: float | Literal["best"] | None,
    temperature: float = 1.0,
    wanted_precision: float | None = None,
) -> dict[str, Any]:
    """Measure yes and no to one category.

    Args:
        answers: to photos of it and of others.
        category: the one asked for.
        threshold: at which yes is said; None for a category that is never named, "best" takes
            the best of these photos.
        temperature: that the probabilities are calibrated with.
        wanted_precision: see `choose_thresholds`; for the best threshold.

    Returns:
        `category`, `photos`, `positives`, `threshold`, `best_threshold` (a `Threshold`), `counts`
        (true and false positives and negatives), `accuracy`, `precision`, `recall`,
        `specificity`, `f1`, `mcc`, `roc_auc`, `average_precision`, `brier`,
        `calibration_error` (15 bins of equal width) and `reliability`. What is undefined is None.

    Raises:
        TrainingError: the model does not know the category.
    """
    if category not in answers.classes:
        raise TrainingError(
            f"positive={category}, expected one of {', '.join(answers.classes[:50])}",
            hint="name a category as the model does",
        )
    one = column(answers, answers.classes.index(category), temperature)
    best = choose_threshold(category, one, wanted_precision)
    limit = best.value if threshold == "best" else threshold
    named = np.zeros(len(one.own), bool) if limit is None else one.scores >= limit
    return {
        "category": category,
        "photos": len(answers),
        "positives": one.positives,
        "threshold": limit,
        "best_threshold": best.to_dict(),
        **_yes_and_no(one, named),
        "roc_auc": one.roc_auc(),
        "average_precision": one.average_precision(),
        "brier": float(brier_score_loss(one.own, one.scores, pos_label=True)),
        "calibration_error": expected_calibration_error(one.scores, one.own),
        "reliability": reliability(one.scores, one.own),
    }


def _yes_and_no(one: AgainstRest, named: Any) -> dict[str, Any]:
    own = one.own
    counts = {
        "true_positives": int((named & own).sum()),
        "false_positives": int((named & ~own).sum()),
        "false_negatives": int((~named & own).sum()),
        "true_negatives": int((~named & ~own).sum()),
    }
    right, false_yes, missed, right_no = counts.values()
    return {
        "counts": counts,
        "accuracy": (right + right_no) / len(own),
        "precision": _share(right, false_yes),
        "recall": _share(right, missed),
        "specificity": _share(right_no, false_yes),
        "f1": _share(2 * right, false_yes + missed),
        "mcc": matthews(own.astype(np.int64), named.astype(np.int64)),
    }


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None
