"""A report as one HTML page: plots and photos inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation import sections, trust_sections
from evaluation.frame import frame
from evaluation.markup import decimals, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def page(
    document: Mapping[str, Any], classes: Sequence[str], pictures: Sequence[bytes | None]
) -> str:
    """The whole page. The policy in it allows its own style and pictures, and nothing else.

    Args:
        document: what `report.write_report` puts into metrics.json.
        classes: in class order.
        pictures: of the document's mistakes, as many: JPEG, PNG or WebP.
    """
    parts = [
        sections.figures(document),
        *sections.learning(document),
        sections.categories(document),
        *sections.confusions(document, classes),
        *sections.levels(document),
        *trust_sections.honesty(document),
        *trust_sections.coverage(document),
        trust_sections.thresholds(document),
        trust_sections.verdicts(document),
        *trust_sections.against_rest(document),
        *sections.mistakes(document, pictures),
    ]
    return frame(document["title"], _tiles(document), parts)


def _tiles(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    photos = f"of {document['photos']:,} photos"
    if document["kind"] == "multi-label":
        first = [
            ("Mean average precision", decimals(document["map"]), "over the categories"),
            ("All categories right", percent(document["exact"]), photos),
        ]
    else:
        best = list(document["top_k"].items())[-1:]
        first = [("Right", percent(document["accuracy"]), photos)]
        first += [(f"In the best {k}", percent(v), photos) for k, v in best if k != "1"]
    verdicts = document["verdicts"]
    named = percent(verdicts["coverage"]) if "coverage" in verdicts else ""
    last = [
        (
            "Macro F1",
            decimals(document["averages"]["macro"]["f1"]),
            f"{document['categories']:,} categories",
        ),
        ("Log loss", decimals(document["log_loss"]), "0 is perfect"),
    ]
    if named:
        right = percent(verdicts["accuracy"])
        last.append(("Named", named, f"{right} of those right"))
    return first + last
