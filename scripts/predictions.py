"""predictions.csv: what a model said of each photo, a row a photo."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from contracts import table_cell
from evaluation.verdict import energies, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evaluation.trust import Trust
    from scripts.asking import Reply

PREDICTIONS_FILE = "predictions.csv"

COLUMNS = ("path", "label", "prediction", "probability", "error", "verdict", "reason")
"""Of an unreadable photo `prediction`, `verdict` and `reason` are empty, `probability` is 0.0."""


def write_predictions(
    folder: Path, replies: Sequence[Reply], classes: Sequence[str], trust: Trust
) -> None:
    """Write the file, whole or not at all."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for reply in replies:
        cells = _row(reply, classes, trust)
        rows.writerow([table_cell(each) if isinstance(each, str) else each for each in cells])
    partial = folder / f".{PREDICTIONS_FILE}.partial"
    partial.write_text(text.getvalue(), encoding="utf-8", newline="")
    partial.replace(folder / PREDICTIONS_FILE)


def _row(reply: Reply, classes: Sequence[str], trust: Trust) -> list[str | float]:
    if reply.probabilities is None:
        return [reply.path, reply.label, "", 0.0, reply.error, "", ""]
    best = int(np.argmax(reply.probabilities))
    energy = None if reply.logits is None else float(energies(reply.logits[np.newaxis])[0])
    found = verdict(
        classes,
        reply.probabilities,
        thresholds=trust.thresholds,
        default=trust.default,
        energy=energy,
        bound=trust.bound,
    )
    probability = float(reply.probabilities[best])
    reason = found.reason or ""
    return [reply.path, reply.label, classes[best], probability, "", found.category, reason]
