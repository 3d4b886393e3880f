"""Photos that an im2rec list names: `index<TAB>label[<TAB>label...]<TAB>relative path` by line.

The format is MXNet's (`tools/im2rec.py`, `read_list`), and SageMaker's for its `train_lst` channel.
"""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from contracts import MAX_PHOTO_BYTES, DatasetError, PhotoError
from recordio_prep.sources.labels import MAX_CLASSES, class_names, whole_number
from recordio_prep.sources.lines import MAX_LINE_BYTES, read_lines, shown
from recordio_prep.sources.positioned import open_regular, opened_file
from recordio_prep.sources.seen import Seen, opened_seen
from recordio_prep.sources.source import FlatCategories, LeftOut, Photo, is_listable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from recordio_prep.sources.lines import Line
    from recordio_prep.sources.source import Entry

_HINT = (
    "a line is `index<TAB>label<TAB>path`, its label a whole number from 0; several labels are one"
    " for each category, 0 or 1, as many in every line"
)
_MIN_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Listing(FlatCategories):
    """The photos of one list.

    One label in a line is the photo's category; several are one for each category, 1 where the
    photo shows it.

    Attributes:
        lst: The list.
        root: The folder that its paths are relative to; none may lead out of it.
        classes: In label order; a label that no line has is a class without a photo.
        multi_label: Whether lines have several labels.
    """

    lst: Path
    root: Path
    classes: tuple[str, ...]
    multi_label: bool

    @classmethod
    def opened(
        cls,
        lst: Path,
        root: Path,
        *,
        names: Sequence[str] | None = None,
        may_lack: bool = False,
    ) -> Self:
        """Read the list once, and hold all lines to one way of labelling.

        Args:
            lst: The list.
            root: The folder that its paths are relative to.
            names: The category of each label, from 0; without it they are "0", "1", ...
            may_lack: Whether some of the labels from 0 to the largest may not occur; with names
                any may.

        Raises:
            DatasetError: the list cannot be read or is empty, a line is malformed or labelled
                otherwise than the first, labels have gaps, or `names` cannot be used.
        """
        columns, labels = 0, set[int]()
        for row in _rows(lst):
            columns = columns or len(row.labels)
            _check_labels(lst, row, columns)
            labels.update(row.labels if columns == 1 else range(columns))
        if not columns:
            raise DatasetError(f"{lst}: no line in it, expected one for each photo", hint=_HINT)
        classes = class_names(labels, names, source=str(lst), may_lack=may_lack)
        return cls(lst, root, classes, multi_label=columns > 1)

    @property
    def name(self) -> str:
        """The list's path."""
        return str(self.lst)

    def entries(self) -> Iterator[Entry]:
        """The list's photos, in its order.

        Paths that were listed before are kept in a temporary file, not in memory.

        Raises:
            DatasetError: as `opened`; the list has changed since.
        """
        with opened_seen() as seen:
            for row in _rows(self.lst):
                yield self._entry(row, seen)

    def read(self, locator: str) -> bytes:
        """The photo's bytes; the locator is its path from the root.

        Raises:
            OSError: the file cannot be read.
            PhotoError: the locator leads out of the root.
        """
        refusal = _refusal(locator)
        if refusal:
            raise PhotoError(f"{shown(locator)}: {refusal}")
        with os.fdopen(open_regular(self.root / locator), "rb") as file:
            return file.read(MAX_PHOTO_BYTES + 1)

    def _entry(self, row: _Row, seen: Seen) -> Entry:
        categories = self._categories(row)
        refusal = _refusal(row.path)
        if refusal:
            return LeftOut(printable(row.path) or self._place(row), refusal, photo=True)
        path = posixpath.normpath(row.path)  # so that ./a.jpg is known to be a.jpg
        first = seen.before(path, row.line, "\t".join(categories))
        if first:
            return LeftOut(path, f"line {row.line}: {_repetition(first, categories)}", photo=True)
        try:
            status = (self.root / path).stat()
        except OSError as error:
            return LeftOut(path, error.strerror or "cannot be read", photo=True)
        if not stat.S_ISREG(status.st_mode):
            return LeftOut(path, "not a regular file", photo=True)
        return Photo(path, categories, status.st_size, str(status.st_mtime_ns), locator=path)

    def _categories(self, row: _Row) -> tuple[str, ...]:
        columns = len(self.classes) if self.multi_label else 1
        _check_labels(self.lst, row, columns)
        if self.multi_label:
            return tuple(
                name for name, label in zip(self.classes, row.labels, strict=True) if label
            )
        if row.labels[0] >= len(self.classes):
            raise DatasetError(
                f"{self.lst}: line {row.line}: label {row.labels[0]},"
                f" expected 0 to {len(self.classes) - 1}",
                hint="the list has changed meanwhile: try again",
            )
        return (self.classes[row.labels[0]],)

    def _place(self, row: _Row) -> str:
        return printable(f"{self.lst.name}:{row.line}")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the list: its number from 1, its labels, and the path as it stands there."""

    line: int
    labels: tuple[int, ...]
    path: str


def _rows(lst: Path) -> Iterator[_Row]:
    with opened_file(lst) as file:
        for line in read_lines(file):
            yield _row(lst, line)


def _row(lst: Path, line: Line) -> _Row:
    place = f"{lst}: line {line.number}"
    if line.text is None:
        raise DatasetError(f"{place}: longer than {MAX_LINE_BYTES:,} bytes", hint=_HINT)
    # Blanks around a field are no part of it, as im2rec has it.
    fields = [part.strip() for part in os.fsdecode(line.text).split("\t")]
    if len(fields) < _MIN_FIELDS:
        raise DatasetError(
            f"{place}: {shown(line.text)}, expected at least {_MIN_FIELDS} fields between tabs",
            hint=_HINT,
        )
    for role, field in zip(("index", *["label"] * (len(fields) - 2)), fields, strict=False):
        if whole_number(field) is None:
            raise DatasetError(
                f"{place}: {role} {shown(field)}, expected a whole number from 0", hint=_HINT
            )
    labels = tuple(whole_number(field) or 0 for field in fields[1:-1])
    return _Row(line.number, labels, fields[-1])


def _check_labels(lst: Path, row: _Row, columns: int) -> None:
    place = f"{lst}: line {row.line}"
    if len(row.labels) != columns:
        raise DatasetError(
            f"{place}: {len(row.labels)} labels, expected {columns} as in the first line",
            hint=_HINT,
        )
    top = 1 if columns > 1 else MAX_CLASSES - 1
    if max(row.labels) > top:
        raise DatasetError(
            f"{place}: label {max(row.labels)}, expected 0 to {top:,}",
            hint=_HINT,
        )


def _refusal(path: str) -> str | None:
    """Why a path is not looked for; None if it is."""
    if not path:
        return "no path"
    if not is_listable(path):
        return "a name that .lst cannot hold"
    if path.startswith("/") or ".." in path.split("/"):
        return "leads out of the folder of photos"
    return None


def _repetition(first: tuple[int, str], categories: tuple[str, ...]) -> str:
    line, said = first
    same = said == "\t".join(categories)
    return f"listed before, in line {line}{'' if same else ', with another label'}"
