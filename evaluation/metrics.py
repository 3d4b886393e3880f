"""How good a model's answers are, as one JSON-ready dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from contracts import TrainingError
from evaluation import calibration
from evaluation.agreement import kappa, matthews
from evaluation.confusion import confusion
from evaluation.coverage import coverage_curve
from evaluation.levels import measure_levels
from evaluation.multi_label import measure_multi_label
from evaluation.one_against_rest import against_rest
from evaluation.ranked import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from evaluation.answers import Answers
    from evaluation.ranked import Ranked

FORMAT = 1

AVERAGES = ("macro", "micro", "weighted")


def measure(
    answers: Answers,
    tree: Mapping[str, Sequence[str]] | None = None,
    top_k: Sequence[int] = (1, 3, 5),
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Measure answers; docs/evaluation.md tells every key in words.

    Single-label answers give `format`, `kind` ("single-label"), `photos`, `categories`, `right`,
    `accuracy`, `balanced_accuracy`, `top_k` {k: accuracy}, `averages` {macro, micro, weighted:
    {precision, recall, f1}}, `mcc`, `kappa`, `log_loss`, `roc_auc` and `average_precision`
    {macro, weighted, undefined, reason}, `recall` {category: recall}, `per_category`,
    `confusion`, `levels`, `calibration` and `coverage`. Multi-label: see `measure_multi_label`.

    What is undefined is None, and never counted as 0: a category without photos has no recall,
    one that is never answered no precision. Macro averages go over the categories with photos, in
    which a precision that is undefined counts as 0, as in scikit-learn.

    Args:
        answers: checked.
        tree: a category's levels, from the top of the category tree down.
        top_k: which top-k accuracies; those above the number of categories are left out, since
            they would be 1 whatever the model.
        temperature: that the probabilities are calibrated with.

    Raises:
        TrainingError: a `top_k` below 1.
    """
    if any(k < 1 for k in top_k):
        raise TrainingError(f"top_k={min(top_k)}, expected 1 or more")
    if answers.multi_label:
        return {"format": FORMAT, **measure_multi_label(answers, temperature)}
    ranked = rank(answers, temperature)
    table = _per_category(answers, ranked, temperature)
    return {
        "format": FORMAT,
        "kind": "single-label",
        "photos": len(answers),
        "categories": len(answers.classes),
        "right": int(ranked.right.sum()),
        "accuracy": float(ranked.right.mean()),
        "balanced_accuracy": _mean(table, "recall"),
        "top_k": {
            str(k): float((ranked.place < k).mean()) for k in top_k if k <= len(answers.classes)
        },
        "averages": averages(answers.labels, ranked.best, len(answers.classes)),
        "mcc": matthews(answers.labels, ranked.best),
        "kappa": kappa(answers.labels, ranked.best),
        "log_loss": float(-ranked.label_log.mean()),
        "roc_auc": _over_categories(table, "roc_auc"),
        "average_precision": _over_categories(table, "average_precision"),
        "recall": {row["category"]: row["recall"] for row in table if row["photos"]},
        "per_category": table,
        "confusion": confusion(answers, ranked),
        "levels": measure_levels(answers, ranked, tree or {}),
        "calibration": _calibration(ranked),
        "coverage": coverage_curve(ranked.confidence, ranked.right),
    }


def averages(
    labels: NDArray[np.int64], found: NDArray[np.int64], classes: int
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1, macro and weighted over the categories with photos, and micro.

    With one answer a photo every wrong one is both a false positive and a false negative, so that
    the three micro averages are the accuracy.
    """
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, found, labels=np.arange(classes), average=None, zero_division=0.0
    )
    weights = {"macro": support > 0, "weighted": support}
    result = {
        average: {
            name: float(np.average(values, weights=weight))
            for name, values in (("precision", precision), ("recall", recall), ("f1", f1))
        }
        for average, weight in weights.items()
    }
    accuracy = float((labels == found).mean())
    result["micro"] = dict.fromkeys(("precision", "recall", "f1"), accuracy)
    return {average: result[average] for average in AVERAGES}


def _per_category(answers: Answers, ranked: Ranked, temperature: float) -> list[dict[str, Any]]:
    classes = np.arange(len(answers.classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        answers.labels, ranked.best, labels=classes, average=None, zero_division=0.0
    )
    answered = np.bincount(ranked.best, minlength=len(classes))
    return [
        {
            "category": name,
            "photos": int(support[k]),
            "answered": int(answered[k]),
            "precision": float(precision[k]) if answered[k] else None,
            "recall": float(recall[k]) if support[k] else None,
            "f1": float(f1[k]) if support[k] else None,
            "roc_auc": one.roc_auc(),
            "average_precision": one.average_precision(),
        }
        for k, (name, one) in enumerate(
            zip(answers.classes, against_rest(answers, temperature), strict=True)
        )
    ]


def _mean(table: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in table if row[key] is not None]))


def _over_categories(table: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Averages over the categories where the figure is defined; how many it is not, and why."""
    defined = [row for row in table if row[key] is not None]
    result = {
        "macro": _mean(table, key) if defined else None,
        "weighted": (
            float(np.average([r[key] for r in defined], weights=[r["photos"] for r in defined]))
            if defined
            else None
        ),
        "undefined": len(table) - len(defined),
    }
    reason = "a category needs photos of its own" + (" and of others" if key == "roc_auc" else "")
    return result | {"reason": reason if len(defined) < len(table) else None}


def _calibration(ranked: Ranked) -> dict[str, Any]:
    pairs = (ranked.confidence, ranked.right)
    return {
        "bins": calibration.BINS,
        "error_equal_width": calibration.expected_calibration_error(*pairs, equal="width"),
        "error_equal_mass": calibration.expected_calibration_error(*pairs, equal="mass"),
        "mean_confidence": float(ranked.confidence.mean()),
        "reliability": calibration.reliability(*pairs, equal="width"),
    }
