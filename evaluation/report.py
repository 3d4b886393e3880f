"""The evaluation report: `metrics.json` for programs, `report.html` for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import calibration as scale
from evaluation.binary import measure_positive
from evaluation.metrics import measure
from evaluation.mistakes import worst_mistakes
from evaluation.one_against_rest import against_rest
from evaluation.page import page
from evaluation.ranked import rank
from evaluation.thresholds import check_precision, choose_threshold, threshold_at
from evaluation.trust import Trust
from evaluation.verdicts import measure_multi_label_verdicts, measure_verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from evaluation.answers import Answers
    from evaluation.one_against_rest import AgainstRest

METRICS_FILE, PAGE_FILE = "metrics.json", "report.html"


def write_report(
    folder: Path,
    answers: Answers,
    *,
    title: str,
    history: Sequence[Mapping[str, Any]] = (),
    tree: Mapping[str, Sequence[str]] | None = None,
    thumbnails: Callable[[int], bytes | None] | None = None,
    seconds: float | None = None,
    calibration: Trust | None = None,
    wanted_precision: float | None = None,
    positive: str | None = None,
    top_k: Sequence[int] = (1, 3, 5),
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write both files into `folder`, made if missing, and return what metrics.json holds.

    Args:
        folder: where they go; each appears whole or not at all.
        answers: with logits before any temperature.
        title: the page's heading.
        history: of the training, an epoch each: `number`, `learning_rate`, `train_accuracy`,
            `validation_accuracy`, `train_loss`, `validation_loss`, `images_per_second`, ...;
            what is missing is not drawn.
        tree: a category's levels, from the top of the category tree down.
        thumbnails: the JPEG, PNG or WebP bytes of a photo, by its index in `answers`; None for one
            that cannot be shown.
        seconds: that asking took, for photos per second.
        calibration: of the model, fitted on other photos than these. Without one that is fitted
            the model is measured uncalibrated, and what a temperature would do is told by
            cross-fitting.
        wanted_precision: of the thresholds; None takes the best F1.
        positive: a category to measure against the rest.
        top_k: see `measure`.
        facts: more to put into metrics.json, which wins over keys of the same name.

    Raises:
        TrainingError: an option is out of range.
    """
    document = evaluate(
        answers,
        tree=tree,
        calibration=calibration,
        wanted_precision=wanted_precision,
        positive=positive,
        top_k=top_k,
    )
    speed = {} if not seconds else {"photos_per_second": len(answers) / seconds}
    document |= {"title": title, "seconds": seconds, **speed}
    document |= {"history": [dict(epoch) for epoch in history], **(facts or {})}
    pictures = [
        None if thumbnails is None else thumbnails(m["photo"]) for m in document["mistakes"]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / PAGE_FILE, page(document, answers.classes, pictures))
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    _replace(folder / METRICS_FILE, f"{text}\n")
    return document


def evaluate(
    answers: Answers,
    *,
    tree: Mapping[str, Sequence[str]] | None = None,
    calibration: Trust | None = None,
    wanted_precision: float | None = None,
    positive: str | None = None,
    top_k: Sequence[int] = (1, 3, 5),
) -> dict[str, Any]:
    """`measure` and beside it `temperature`, `thresholds`, `verdicts`, `positive`, `mistakes`.

    Single-label answers also have `calibration` {before, after}: each the figures of the
    reliability diagram and the log loss, without and with temperature scaling.
    """
    trust = calibration or Trust(fitted=False)
    document = measure(answers, tree, top_k, trust.temperature)
    document["temperature"] = trust.temperature if trust.fitted else None
    if not answers.multi_label:
        document["calibration"] = _before_and_after(answers, trust)
    document["thresholds"] = _thresholds(answers, trust, wanted_precision)
    verdicts = measure_multi_label_verdicts if answers.multi_label else measure_verdicts
    document["verdicts"] = verdicts(answers, trust)
    document["familiarity"] = trust.bound
    if positive is not None:
        document["positive"] = measure_positive(
            answers,
            positive,
            threshold="best" if calibration is None else trust.threshold(positive),
            temperature=trust.temperature,
            wanted_precision=wanted_precision,
        )
    mistakes = worst_mistakes(answers, trust.temperature)
    document["mistakes"] = [asdict(mistake) for mistake in mistakes]
    return document


def _before_and_after(answers: Answers, trust: Trust) -> dict[str, Any]:
    before = rank(answers)
    result = {
        "bins": scale.BINS,
        "before": _figures(before.confidence, before.right, before.label_log),
    }
    if trust.fitted:
        after = rank(answers, trust.temperature)
        return result | {
            "after": _figures(after.confidence, after.right, after.label_log),
            "temperature": trust.temperature,
            "source": "the model's, fitted on its validation photos",
        }
    return result | _cross_fitted(answers)


def _cross_fitted(answers: Answers) -> dict[str, Any]:
    """Every other photo with the temperature of the others: nothing is judged by its own fit."""
    halves = (np.arange(0, len(answers), 2), np.arange(1, len(answers), 2))
    if not len(halves[1]):
        return {"after": None, "temperature": None, "source": "one photo is too few to fit one"}
    first, second = (answers.select(half) for half in halves)
    values = [scale.fit_temperature(one.logits, one.labels).value for one in (second, first)]
    ranks = [rank(one, value) for one, value in zip((first, second), values, strict=True)]
    confidence, right, label_log = (
        np.concatenate([getattr(one, name) for one in ranks])
        for name in ("confidence", "right", "label_log")
    )
    return {
        "after": _figures(confidence, right, label_log),
        "temperature": float(np.mean(values)),
        "source": "fitted on one half of these photos and applied to the other, both ways",
    }


def _figures(confidence: Any, right: Any, label_log: Any) -> dict[str, Any]:
    return {
        "error_equal_width": scale.expected_calibration_error(confidence, right, equal="width"),
        "error_equal_mass": scale.expected_calibration_error(confidence, right, equal="mass"),
        "mean_confidence": float(confidence.mean()),
        "log_loss": float(-label_log.mean()),
        "reliability": scale.reliability(confidence, right, equal="width"),
    }


def _thresholds(
    answers: Answers, trust: Trust, wanted_precision: float | None
) -> list[dict[str, Any]]:
    """The best on these photos; with `stored`, what the model's own gives on them."""
    check_precision(wanted_precision)
    rows = []
    columns = against_rest(answers, trust.temperature)
    for name, one in zip(answers.classes, columns, strict=True):
        row = choose_threshold(name, one, wanted_precision).to_dict()
        if name in trust.thresholds:
            row["stored"] = _stored(name, one, trust.thresholds[name])
        rows.append(row)
    return rows


def _stored(name: str, one: AgainstRest, value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "precision": None, "recall": 0.0, "f1": 0.0}
    given = threshold_at(name, one, value, "stored")
    return {key: getattr(given, key) for key in ("value", "precision", "recall", "f1")}


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="")
    partial.replace(path)
