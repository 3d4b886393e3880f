"""Metrics of answers where a photo may be of several categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from contracts import DEFAULT_THRESHOLD
from evaluation.calibration import log_loss
from evaluation.one_against_rest import against_rest

if TYPE_CHECKING:
    from evaluation.answers import Answers


def measure_multi_label(answers: Answers, temperature: float = 1.0) -> dict[str, Any]:
    """Measure labels (N, K) of 0 and 1 against sigmoid(logits / temperature).

    Returns:
        `kind` ("multi-label"), `photos`, `categories`, `map` (mean average precision over the
        categories with photos), `averages` {macro, micro, weighted: {precision, recall, f1}} at
        DEFAULT_THRESHOLD, `exact` (share of photos with every category right), `accuracy` (share
        of all yes and no that are right), `log_loss`, and `per_category`.
    """
    named = answers.logits >= np.log(DEFAULT_THRESHOLD / (1 - DEFAULT_THRESHOLD))
    table: list[dict[str, Any]] = [
        {
            "category": name,
            "photos": one.positives,
            "roc_auc": one.roc_auc(),
            "average_precision": one.average_precision(),
        }
        for name, one in zip(answers.classes, against_rest(answers, temperature), strict=True)
    ]
    _add_scores(table, answers, named)
    precisions = [row["average_precision"] for row in table if row["photos"]]
    same = named == (answers.labels == 1)
    return {
        "kind": "multi-label",
        "photos": len(answers),
        "categories": len(answers.classes),
        "map": float(np.mean(precisions)) if precisions else None,
        "averages": {
            average: _average(answers, named, average) for average in ("macro", "micro", "weighted")
        },
        "exact": float(same.all(axis=1).mean()),
        "accuracy": float(same.mean()),
        "log_loss": log_loss(answers, temperature),
        "per_category": table,
    }


def _average(answers: Answers, named: Any, average: str) -> dict[str, float]:
    """Over the categories with photos; a single column would be taken for a binary problem."""
    present = answers.labels.any(axis=0)
    keep = present if average != "micro" else np.ones_like(present)
    if not present.any():
        return dict.fromkeys(("precision", "recall", "f1"), 0.0)
    labels, found = (_padded(each[:, keep]) for each in (answers.labels == 1, named))
    columns = np.arange(int(keep.sum()))
    scores = precision_recall_fscore_support(
        labels, found, labels=columns, average=average, zero_division=0.0
    )
    return dict(zip(("precision", "recall", "f1"), map(float, scores[:3]), strict=True))


def _padded(matrix: Any) -> Any:
    return np.hstack([matrix, np.zeros((len(matrix), 2), bool)])


def _add_scores(table: list[dict[str, Any]], answers: Answers, named: Any) -> None:
    precision, recall, f1, support = precision_recall_fscore_support(
        _padded(answers.labels == 1),
        _padded(named),
        labels=np.arange(len(table)),
        average=None,
        zero_division=0.0,
    )
    for k, row in enumerate(table):
        row["answered"] = int(named[:, k].sum())
        row["precision"] = float(precision[k]) if row["answered"] else None
        row["recall"] = float(recall[k]) if support[k] else None
        row["f1"] = float(f1[k]) if support[k] else None
