"""The report's parts on how far an answer can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation import plots
from evaluation.markup import Html, decimals, percent, section, table, tag
from evaluation.sections import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def honesty(document: Mapping[str, Any]) -> Iterator[Html]:
    """Reliability before and after temperature scaling."""
    found = document.get("calibration")
    if found is None:
        return
    pair = {name: found[name] for name in ("before", "after") if found[name]}
    series = {f"{name} scaling": entry["reliability"] for name, entry in pair.items()}
    plot = tag("figure", plots.reliability_diagram(series, "reliability"))
    rows = [
        (
            f"{name} scaling",
            percent(entry["error_equal_width"], 2),
            percent(entry["error_equal_mass"], 2),
            percent(entry["mean_confidence"]),
            decimals(entry["log_loss"]),
        )
        for name, entry in pair.items()
    ]
    head = ("", "Error, equal width", "Error, equal mass", "Mean confidence", "Log loss")
    caption = f"Expected calibration error over {found['bins']} bins"
    temperature = decimals(found["temperature"])
    yield section(
        "calibration",
        "Calibration",
        "Of answers given with 90 % confidence, nine in ten should be right: the closer to the "
        f"dotted line, the better. Temperature {temperature}: {found['source']}.",
        tag("div", plot, class_="plots"),
        table(head, rows, caption),
    )


def coverage(document: Mapping[str, Any]) -> Iterator[Html]:
    """What withholding the least certain answers is worth."""
    points = document.get("coverage")
    if not points:
        return
    chosen = points[:: max(1, len(points) // 7)]
    chosen = chosen if chosen[-1] is points[-1] else [*chosen, points[-1]]
    rows = [
        (percent(p["coverage"]), percent(p["accuracy"]), decimals(p["threshold"])) for p in chosen
    ]
    yield section(
        "coverage",
        "Coverage against accuracy",
        "If only the surest answers are given, more of them are right.",
        tag(
            "div",
            tag("figure", plots.coverage_plot(points, "coverage-plot")),
            table(("Answered", "Right of those", "Confidence from"), rows, "The surest first"),
            class_="plots",
        ),
    )


def thresholds(document: Mapping[str, Any]) -> Html:
    """Each category's threshold: the model's own, and the best on these photos."""
    found = sorted(document["thresholds"], key=lambda row: row["f1"])
    stored = any("stored" in row for row in found)
    head = ["Category", "Best on these", "Precision", "Recall", "F1", "Answered", "Photos"]
    head += ["Stored", "Its precision", "Its recall"] if stored else []
    head += ["Chosen by"]
    rows = [_threshold(row, stored=stored) for row in found[:MOST_ROWS]]
    more = len(found) - len(rows)
    caption = "The lowest F1 first" + (f"; {more:,} more in metrics.json" if more else "")
    return section(
        "thresholds",
        "Thresholds",
        "The probability from which on a category is named. Best on these photos is what to "
        "choose if they are validation photos; stored is what the model came with.",
        table(head, rows, caption, words=(len(head) - 1,)),
    )


def _threshold(row: Mapping[str, Any], *, stored: bool) -> list[str]:
    cells = [
        row["category"],
        decimals(row["value"]),
        decimals(row["precision"]),
        decimals(row["recall"]),
        decimals(row["f1"]),
        percent(row["coverage"]),
        f"{row['positives']:,}",
    ]
    if stored:
        own = row.get("stored") or {}
        never = "stored" in row and own.get("value") is None
        cells += [
            "never named" if never else decimals(own.get("value")),
            decimals(own.get("precision")),
            decimals(own.get("recall")),
        ]
    return [*cells, row["how"]]


def verdicts(document: Mapping[str, Any]) -> Html:
    """How many photos are named, and how many are answered with none of these."""
    found = document["verdicts"]
    if document["kind"] == "multi-label":
        scores = [
            (name.capitalize(), decimals(found[name])) for name in ("precision", "recall", "f1")
        ]
        return section(
            "verdicts",
            "Verdicts",
            "Every category at its threshold.",
            table(("", "Over all categories"), scores, "What naming them comes to"),
        )
    photos = document["photos"]
    names = {
        "named": "A category is named",
        "below_threshold": "None: below the threshold",
        "unfamiliar": "None: unlike anything seen",
    }
    rows = [
        (words, f"{found[key]:,}", percent(found[key] / photos)) for key, words in names.items()
    ]
    bound = document["familiarity"]
    test = (
        "This model tests no familiarity."
        if bound is None
        else f"A photo whose energy is below {bound:.3f} counts as unlike anything seen."
    )
    words = f"{percent(found['accuracy'])} of the named are right. {test}"
    return section(
        "verdicts", "Verdicts", words, table(("", "Photos", "Share"), rows, "What is answered")
    )


def against_rest(document: Mapping[str, Any]) -> Iterator[Html]:
    """One category against all others, where asked for."""
    found = document.get("positive")
    if found is None:
        return
    series = {found["category"]: found["reliability"]}
    axes = (f"probability of {found['category']}", "show it")
    limit = found["threshold"]
    named = "no threshold" if limit is None else f"a probability of {limit:.3f}"
    yield section(
        "positive",
        f"{found['category']} or not",
        f"Yes from {named} on. {found['positives']:,} of {found['photos']:,} photos show it.",
        tag(
            "div",
            tag("figure", plots.reliability_diagram(series, "positive-reliability", axes)),
            table(("", "Figure"), _positive_rows(found), "Yes and no"),
            class_="plots",
        ),
    )


def _positive_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts = found["counts"]
    best = found["best_threshold"]["value"]
    return [
        ("Right", percent(found["accuracy"], 2)),
        ("Precision", decimals(found["precision"])),
        ("Recall", decimals(found["recall"])),
        ("Specificity", decimals(found["specificity"])),
        ("F1", decimals(found["f1"])),
        ("Matthews coefficient", decimals(found["mcc"])),
        ("ROC AUC", decimals(found["roc_auc"])),
        ("Average precision", decimals(found["average_precision"])),
        ("Brier score", decimals(found["brier"])),
        ("Calibration error", percent(found["calibration_error"], 2)),
        ("Yes, rightly", f"{counts['true_positives']:,}"),
        ("Yes, wrongly", f"{counts['false_positives']:,}"),
        ("No, wrongly", f"{counts['false_negatives']:,}"),
        ("No, rightly", f"{counts['true_negatives']:,}"),
        ("Best threshold on these", decimals(best)),
    ]
