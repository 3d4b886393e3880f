"""Reads a table of links, CSV or TSV, row by row."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from contracts import DatasetError
from recordio_prep.sources.link_columns import Columns, find_columns
from recordio_prep.sources.positioned import open_regular
from recordio_prep.sources.source import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SAMPLE_CHARACTERS = 65_536
_LABEL_SEPARATOR = "|"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table of links.

    Attributes:
        place: Name of the table and number of the line, for messages.
        link: As it stands there, without spaces around it; may be anything, or empty.
        labels: Without empty and repeated ones.
        product: Empty where unknown.
        fault: Why the row cannot be used, empty if it can.
    """

    place: str
    link: str
    labels: tuple[str, ...]
    product: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class LinkTable:
    """A file of links and what has been found out about it.

    Attributes:
        path: The file.
        name: What messages call it.
        encoding: Of its text.
        columns: None for a file without a row.
        category: That of all links, None where each row has its own labels.
    """

    path: Path
    name: str
    encoding: str
    columns: Columns | None
    category: str | None = None

    @classmethod
    def open(cls, path: Path, name: str, *, category: str | None = None) -> LinkTable:
        """Look at the first rows.

        Raises:
            DatasetError: the file cannot be read, or its columns cannot be told from each other.
        """
        with _worded(path), os.fdopen(open_regular(path), "rb") as file:
            encoding = "utf-16" if file.read(2) in _UTF16_MARKS else "utf-8-sig"
        with _worded(path), _text(path, encoding) as text:
            lines = list(io.StringIO(text.read(_SAMPLE_CHARACTERS), newline=""))
            if text.read(1) and len(lines) > 1:  # the last line is cut
                lines.pop()
            columns = None
            if any(map(str.strip, lines)):
                columns = find_columns(path, lines, labelled=category is None)
        label = None if category is None else normalised(category)
        return cls(path, name, encoding, columns, label)

    def rows(self) -> Iterator[Row]:
        """Every row, the header and blank lines apart; memory does not grow with their number.

        Raises:
            DatasetError: the file cannot be read, or is not CSV from some line on.
        """
        if self.columns is None:
            return
        header = self.columns.header
        with _worded(self.path), _text(self.path, self.encoding) as text:
            reader = csv.reader(text, delimiter=self.columns.delimiter)
            try:
                for cells in reader:
                    if not any(map(str.strip, cells)):
                        continue
                    if not header:
                        yield self._row(self.columns, cells, reader.line_num)
                    header = False
            except csv.Error as error:
                raise DatasetError(
                    f"{self.path}:{reader.line_num}: {error}",
                    hint="is a quotation mark open there? inside a column it is written twice",
                ) from error

    def _row(self, columns: Columns, cells: list[str], line: int) -> Row:
        labels = (self.category,) if self.category is not None else _labels(cells, columns.label)
        return Row(
            place=f"{self.name}:{line}",
            link=_cell(cells, columns.link),
            labels=labels,
            product=_cell(cells, columns.product),
            fault=_fault(columns, cells),
        )


def _text(path: Path, encoding: str) -> TextIO:
    return os.fdopen(open_regular(path), encoding=encoding, newline="")


def _fault(columns: Columns, cells: list[str]) -> str:
    if any(map(str.strip, cells[columns.width :])):  # a link with an unquoted comma, cut in two
        return f"{len(cells)} columns, expected {columns.width}"
    return "" if _cell(cells, columns.link) else "no link"


def _cell(cells: list[str], column: int | None) -> str:
    return cells[column].strip() if column is not None and column < len(cells) else ""


def _labels(cells: list[str], column: int | None) -> tuple[str, ...]:
    labels = (normalised(label.strip()) for label in _cell(cells, column).split(_LABEL_SEPARATOR))
    return tuple(dict.fromkeys(label for label in labels if label))


@contextlib.contextmanager
def _worded(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        raise DatasetError(
            f"{path}: not UTF-8 text: {error}", hint="save it as CSV in UTF-8"
        ) from error
    except csv.Error as error:
        raise DatasetError(f"{path}: {error}", hint="save it as CSV in UTF-8") from error
    except OSError as error:
        raise DatasetError(
            f"{path}: {error.strerror}, expected a table of links",
            hint="check the path and its permissions",
        ) from error
