"""The morning report: one page by category, the least confident photos first, failures told."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.photos import UNREADABLE
from batch.tally import MOST_OF_A_CATEGORY, tally
from contracts import NO_VERDICT, PAD, PhotoError
from evaluation.frame import frame, picture
from evaluation.markup import Html, percent, section, table, tag
from photo import prepare_photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batch.photos import Source
    from batch.table import Row
    from batch.tally import Category, Tally

MOST_PICTURES = 600
"""Photos that a page shows, so that it stays below some 5 MB; the table has all."""

_THUMBNAIL = 168


def write_report(path: Path, rows: Iterable[Row], source: Source, *, title: str) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        rows: of the table.
        source: where the photos are now; one that is gone is a place without a picture.
        title: of the page.

    Raises:
        BatchError: it cannot be written.
    """
    text = report_page(tally(rows), source, title=title)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace", newline="")
        partial.replace(path)
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}", hint="give another place for the report"
        ) from error


def report_page(found: Tally, source: Source, *, title: str) -> str:
    """The whole page as text."""
    ordered = sorted(found.categories.values(), key=_by_doubt)
    each = min(MOST_OF_A_CATEGORY, max(1, MOST_PICTURES // max(1, len(ordered))))
    parts = [
        *_failures(found),
        *_overview(ordered),
        *(
            _category(number, category, each, source)
            for number, category in enumerate(ordered[:MOST_PICTURES])
        ),
    ]
    return frame(title, _tiles(found), parts)


def thumbnail(source: Source, name: str) -> bytes | None:
    """A photo as a JPEG of 168 x 168 pixels with white beside it; None where it cannot be had."""
    try:
        image = prepare_photo(source.read(name), _THUMBNAIL, PAD)
    except (PhotoError, *UNREADABLE):
        return None
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _by_doubt(category: Category) -> tuple[float, str]:
    """The category that needs a person most comes first: by the share that is unsure."""
    return -category.unsure / category.photos, category.name


def _tiles(found: Tally) -> Iterator[tuple[str, str, str]]:
    answered = found.photos - found.failed
    yield "Photos", f"{found.photos:,}", f"{len(found.categories):,} categories"
    yield "Answered", f"{answered:,}", percent(answered / found.photos if found.photos else None)
    yield "To look at", f"{found.unsure:,}", "the model is not sure enough"
    yield "Failed", f"{found.failed:,}", "no answer; reasons below"
    if found.labelled:
        told = f"of {found.labelled:,} whose names carry their class"
        yield "Right", percent(found.right / found.labelled), told


def _failures(found: Tally) -> Iterator[Html]:
    if not found.failed:
        return
    rows = [(row.filename, row.error or "no reason in the table") for row in found.failures]
    more = found.failed - len(rows)
    caption = "By name" + (f"; {more:,} more in the table" if more else "")
    yield section(
        "failed",
        "Failed",
        "Photos without an answer. They stay where they are; the next run asks again where that may"
        " help.",
        table(("Photo", "Reason"), rows, caption, words=(1,)),
    )


def _overview(ordered: list[Category]) -> Iterator[Html]:
    if not ordered:
        return
    rows = [
        (
            each.name,
            f"{each.photos:,}",
            f"{each.unsure:,}",
            percent(each.mean_confidence),
        )
        for each in ordered
    ]
    head = ("Category", "Photos", "To look at", "Mean confidence")
    caption = "Those with the largest share of photos to look at first"
    yield section("overview", "Categories", "", table(head, rows, caption))


def _category(number: int, category: Category, most: int, source: Source) -> Html:
    rows = category.least_confident(most)
    more = category.photos - len(rows)
    words = "The least confident first." if category.confident else "By name."
    if more:
        words += f" {more:,} more in the table."
    photos = tag("div", *(_photo(row, category.name, source) for row in rows), class_="row")
    return section(f"category-{number}", category.name, words, photos)


def _photo(row: Row, name: str, source: Source) -> Html:
    told = name if row.confidence is None else percent(row.confidence)
    unsure = [tag("span", "not sure enough")] if row.verdict == NO_VERDICT else []
    words = tag(
        "figcaption", tag("strong", told), *unsure, tag("span", row.filename, class_="path")
    )
    return tag(
        "figure", picture(thumbnail(source, row.filename), f"Photo answered as {name}"), words
    )
