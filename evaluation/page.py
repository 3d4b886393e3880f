"""A report as one HTML page: plots and photos inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any

from evaluation import sections, trust_sections
from evaluation.markup import Html, decimals, join, percent, tag
from evaluation.style import STYLE

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
    body = join([_header(document, parts), tag("main", *parts)])
    return f"{_head(document['title'])}<body>\n{body}\n</body>\n</html>\n"


def _head(title: str) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
    )


def _header(document: Mapping[str, Any], parts: Sequence[Html]) -> Html:
    tiles = _tiles(document)
    links = [sections.link(part) for part in parts]
    return tag(
        "header",
        tag("p", "snapshelf", class_="brand"),
        tag("h1", document["title"]),
        tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles"),
        tag("nav", tag("ul", *(tag("li", link) for link in links)), aria_label="Parts"),
    )


def _tile(name: str, value: str, remark: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", remark, class_="quiet"))


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
