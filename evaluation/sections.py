"""The report's parts on what the model got right and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation import plots
from evaluation.frame import picture
from evaluation.markup import Html, decimals, percent, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_ROWS = 100
"""Rows of a table by category; what is beyond stands in metrics.json."""

_MANY = 12


def figures(document: Mapping[str, Any]) -> Html:
    """Every figure about the whole, with what it means."""
    rows = _multi_label_rows(document) if document["kind"] == "multi-label" else _rows(document)
    if document.get("unreadable"):
        count = f"{document['unreadable']:,}"
        rows.append(("Unreadable", count, "photos that count neither way; see predictions.csv"))
    if document.get("photos_per_second"):
        speed = f"{document['photos_per_second']:,.0f} photos/s"
        rows.append(("Speed", speed, f"{document['seconds']:,.1f} s in all"))
    return section(
        "figures",
        "All figures",
        "",
        table(("", "Figure", "What it is"), rows, "About all photos together", words=(2,)),
    )


def _rows(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    auc = document["roc_auc"]
    undefined = f" Undefined for {auc['undefined']:,}: {auc['reason']}." if auc["undefined"] else ""
    rows = [("Accuracy", percent(document["accuracy"], 2), "photos whose best category is right")]
    rows += [
        (f"Top-{k} accuracy", percent(value, 2), f"photos whose category is among the best {k}")
        for k, value in document["top_k"].items()
        if k != "1"
    ]
    return [
        *rows,
        (
            "Balanced accuracy",
            percent(document["balanced_accuracy"], 2),
            "mean over categories, whatever their size",
        ),
        (
            "Matthews coefficient",
            decimals(document["mcc"]),
            "agreement beyond chance, -1 to 1, fair to uneven categories",
        ),
        ("Cohen's kappa", decimals(document["kappa"]), "agreement beyond chance, at most 1"),
        ("Log loss", decimals(document["log_loss"]), "mean surprise at the label; 0 is perfect"),
        (
            "ROC AUC",
            decimals(auc["macro"]),
            f"how often a category's photo scores above another's, mean.{undefined}",
        ),
        (
            "Average precision",
            decimals(document["average_precision"]["macro"]),
            "area under precision over recall, mean over categories",
        ),
    ]


def _multi_label_rows(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (
            "Mean average precision",
            decimals(document["map"]),
            "area under precision over recall, mean over categories",
        ),
        ("All right", percent(document["exact"], 2), "photos with every category right"),
        ("Accuracy", percent(document["accuracy"], 2), "single yes and no that are right"),
        ("Log loss", decimals(document["log_loss"]), "mean surprise at a label; 0 is perfect"),
    ]


def learning(document: Mapping[str, Any]) -> Iterator[Html]:
    """Curves of the training; nothing without a history."""
    history = document["history"]
    kinds = (
        ({"train_accuracy": "training", "validation_accuracy": "validation"}, "accuracy"),
        ({"train_loss": "training", "validation_loss": "validation"}, "loss"),
        ({"learning_rate": "learning rate"}, "learning rate"),
        ({"images_per_second": "images/s"}, "images per second"),
    )
    drawn = (
        plots.curves(history, series, f"learning-{n}", name)
        for n, (series, name) in enumerate(kinds)
    )
    found = [tag("figure", plot) for plot in drawn if plot is not None]
    if found:
        words = (
            "Training that goes on improving while validation does not is overfitting; "
            "both low is underfitting."
        )
        yield section("learning", "Learning", words, tag("div", *found, class_="plots"))


def categories(document: Mapping[str, Any]) -> Html:
    """The classification report, the worst categories first."""
    ordered = sorted(
        document["per_category"], key=lambda row: (row["f1"] is None, row["f1"] or 0.0)
    )
    shown = ordered[:MOST_ROWS]
    rows = [
        (
            row["category"],
            decimals(row["precision"]),
            decimals(row["recall"]),
            decimals(row["f1"]),
            decimals(row["roc_auc"]),
            decimals(row["average_precision"]),
            f"{row['photos']:,}",
        )
        for row in shown
    ]
    foot = [
        (f"{name} average", *(decimals(values[key]) for key in ("precision", "recall", "f1")))
        for name, values in document["averages"].items()
    ]
    foot = [(*row, "", "", f"{document['photos']:,}") for row in foot]
    more = len(ordered) - len(shown)
    caption = "By category, the lowest F1 first" + (
        f"; {more:,} more in metrics.json" if more else ""
    )
    head = ("Category", "Precision", "Recall", "F1", "ROC AUC", "Avg. precision", "Photos")
    return section(
        "categories",
        "Categories",
        "Precision: how often the answer is right when this category is named. Recall: how many of "
        "its photos are found. F1: high only if both are.",
        table(head, rows, caption, foot=foot),
    )


def confusions(document: Mapping[str, Any], classes: Sequence[str]) -> Iterator[Html]:
    """The matrix where it can be read, and what is taken for what most often."""
    if document["kind"] == "multi-label":
        return
    found = document["confusion"]
    content = []
    if found["matrix"] is not None:
        plot = plots.matrix_plot(found["matrix"], classes, "matrix")
        drawn = tag("figure", plot, class_="wide" if len(classes) > _MANY else "few")
        content.append(
            tag(
                "div",
                drawn,
                class_="scroll",
                role="region",
                tabindex="0",
                aria_label="Confusion matrix",
            )
        )
    rows = [
        (pair["label"], pair["answer"], f"{pair['photos']:,}", percent(pair["share"]))
        for pair in found["pairs"][:20]
    ]
    if rows:
        head = ("Shown", "Taken for", "Photos", "Of the shown")
        more = found["pairs_in_all"] - len(rows)
        caption = "The most frequent first" + (f"; {more:,} more are not shown" if more else "")
        content.append(table(head, rows, caption, words=(1,)))
    else:
        content.append(tag("p", "No photo was taken for something else."))
    words = "A row is what the photos show, a column what was answered; green is right."
    intro = words if found["matrix"] is not None else ""
    yield section("confusions", "Confusions", intro, *content)


def levels(document: Mapping[str, Any]) -> Iterator[Html]:
    """Accuracy by level of the category tree; nothing where it is flat."""
    rows = [
        (
            f"Level {row['level']}",
            f"{row['categories']:,}",
            percent(row["accuracy"], 2),
            decimals(row["kappa"]),
        )
        for row in document.get("levels", ())
    ]
    if rows:
        head = ("", "Places", "Right", "Cohen's kappa")
        yield section(
            "levels",
            "Levels of the category tree",
            "On a level, an answer is right if it lies below the same place as the label.",
            table(head, rows, "From the top down"),
        )


def mistakes(document: Mapping[str, Any], pictures: Sequence[bytes | None]) -> Iterator[Html]:
    """The surest wrong answers with their photos; nothing if there are none."""
    found = document["mistakes"]
    if found:
        shown = (_mistake(*pair) for pair in zip(found, pictures, strict=True))
        yield section(
            "mistakes",
            "Surest mistakes",
            "Wrong answers that the model was most certain of. Often the label is what is wrong.",
            tag("div", *shown, class_="row"),
        )


def _mistake(mistake: Mapping[str, Any], photo: bytes | None) -> Html:
    told = f"Photo of {mistake['label']} taken for {mistake['answer']}"
    words = tag(
        "figcaption",
        tag("strong", f"{mistake['answer']}, {percent(mistake['confidence'])}"),
        tag("span", f"is {mistake['label']}, {percent(mistake['label_probability'])}"),
        tag("span", mistake["name"], class_="path"),
    )
    return tag("figure", picture(photo, told), words)
