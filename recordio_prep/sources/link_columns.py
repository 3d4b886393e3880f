"""Finds out what separates the columns of a table of links, and which of them holds what."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

_LINK = re.compile(r"\s*https?://", re.IGNORECASE)
_LINK_NAMES = (
    *("image_url", "image_link", "photo_url", "picture_url", "img_url", "url", "link", "urls"),
    *("links", "image", "photo", "picture", "img", "images", "photos", "href", "src", "uri"),
)
_LABEL_NAMES = (
    *("label", "category", "class", "labels", "categories", "classes", "label_name"),
    *("category_name", "class_name", "tag", "tags"),
)
_PRODUCT_NAMES = ("product", "product_id")
"""What headers call the columns, in small letters; where a table has several, the first counts."""

_DELIMITERS = ("\t", ",", ";")
_UNDIVIDED = "\x1f"  # a control character that no text holds: each line is one column


@dataclass(frozen=True, slots=True)
class Columns:
    """How a table of links is read.

    Attributes:
        delimiter: Between columns.
        width: How many columns the first row has.
        header: Whether that row names them.
        link: Index of the column of links.
        label: Of the labels, None where the table has none and needs none.
        product: Of the products, None where the table has none.
    """

    delimiter: str
    width: int
    header: bool
    link: int
    label: int | None
    product: int | None


def find_columns(path: Path, lines: Sequence[str], *, labelled: bool) -> Columns:
    """The columns of a table that begins with these lines.

    Args:
        path: For messages; `.tsv` promises tabs.
        lines: With their line ends, one at least that is not blank.
        labelled: Whether a column of labels has to be there.

    Raises:
        DatasetError: they cannot be told from each other.
    """
    delimiter, rows = _divided(lines, _DELIMITERS[:1] if _is_tsv(path) else _DELIMITERS)
    header = not any(map(_is_link, rows[0]))
    names = [_plain(cell) for cell in rows[0]] if header else [""] * len(rows[0])
    shown = (
        [cell.strip() for cell in rows[0]] if header else [str(n + 1) for n in range(len(names))]
    )
    body = rows[1:] if header else rows
    link = _link_column(path, names, shown, body)
    product = _named(names, _PRODUCT_NAMES, range(len(names)))
    others = [n for n in range(len(names)) if n not in {link, product}]
    label = _named(names, _LABEL_NAMES, others)
    if labelled and label is None:
        label = _only_other(path, shown, [n for n in others if not _holds_links(n, body)])
    return Columns(delimiter, len(names), header, link, label if labelled else None, product)


def _is_tsv(path: Path) -> bool:
    return path.suffix.lower() in {".tsv", ".tab"}


def _divided(lines: Sequence[str], delimiters: Iterable[str]) -> tuple[str, list[list[str]]]:
    """The first delimiter that gives most rows as many columns as the first row; two at least."""
    for delimiter in delimiters:
        rows = _rows(lines, delimiter)
        like_the_first = sum(len(row) == len(rows[0]) for row in rows)
        if len(rows[0]) > 1 and 2 * like_the_first > len(rows):
            return delimiter, rows
    return _UNDIVIDED, _rows(lines, _UNDIVIDED)


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    return [row for row in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, row))]


def _link_column(
    path: Path, names: Sequence[str], shown: Sequence[str], body: Sequence[Sequence[str]]
) -> int:
    holding = [n for n in range(len(names)) if _holds_links(n, body)]
    named = _named(names, _LINK_NAMES, holding if body else range(len(names)))
    if named is not None:
        return named
    if len(holding) != 1:
        raise DatasetError(
            f"{path}: {len(holding) or 'no'} columns of links, expected one;"
            f" columns: {', '.join(shown)}",
            hint="name it `url` in a header; links start with http:// or https://",
        )
    return holding[0]


def _only_other(path: Path, shown: Sequence[str], others: Sequence[int]) -> int:
    if len(others) != 1:
        raise DatasetError(
            f"{path}: {len(others) or 'no'} columns may hold the labels, expected one;"
            f" columns: {', '.join(shown)}",
            hint="name it `label` in a header",
        )
    return others[0]


def _named(names: Sequence[str], wanted: Iterable[str], among: Collection[int]) -> int | None:
    return next((n for name in wanted for n in among if names[n] == name), None)


def _holds_links(column: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether most of the rows have a link there: one may be broken."""
    holding = sum(column < len(row) and _is_link(row[column]) for row in rows)
    return 2 * holding > len(rows)


def _is_link(cell: str) -> bool:
    return bool(_LINK.match(cell))


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())
