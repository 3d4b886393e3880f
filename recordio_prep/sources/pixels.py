"""Pictures as lines of a CSV file: a label and the grey value of every pixel.

Kaggle's fashion-mnist_train.csv is one: `label,pixel1,...,pixel784`, 28 x 28 pixels by rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from contracts import DatasetError, PhotoError
from recordio_prep.sources.labels import MAX_CLASSES, class_names, whole_number
from recordio_prep.sources.lines import MAX_LINE_BYTES, read_lines, shown
from recordio_prep.sources.pgm import EXTENSION, pgm, pgm_size
from recordio_prep.sources.positioned import file_version, opened_file, positions, read_at
from recordio_prep.sources.source import FlatCategories, LeftOut, Photo, SingleLabel, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from recordio_prep.sources.lines import Line
    from recordio_prep.sources.source import Entry

_LABEL_COLUMN = "label"
_VALUES = {b"%d" % value: value for value in range(256)}
_HINT = "a line is `label,pixel1,...`, as many pixels as a square has, values 0 to 255"


@dataclass(frozen=True, slots=True)
class Pixels(SingleLabel, FlatCategories):
    """The pictures of one CSV file, as grey PGM files `<class>/<line number>.pgm`.

    Attributes:
        path: The file.
        side: Width and height of every picture, in pixels.
        classes: In label order; a label that does not occur is a class without a photo.
    """

    path: Path
    side: int
    classes: tuple[str, ...]

    @classmethod
    def opened(
        cls, path: Path, *, names: Sequence[str] | None = None, may_lack: bool = False
    ) -> Self:
        """Read the file once: how large its pictures are, and which labels there are.

        Args:
            path: The file; its first line may name the columns.
            names: The category of each label, from 0; without it they are "0", "1", ...
            may_lack: Whether some of the labels from 0 to the largest may not occur; with names
                any may.

        Raises:
            DatasetError: the file cannot be read, its first line has not a square number of pixels,
                no line is a picture, labels have gaps, or `names` cannot be used.
        """
        side = _side(path)
        rows = (_parsed(line.text, side) for line in _lines(path))
        labels = {row.label for row in rows if isinstance(row, _Row)}
        if not labels:
            raise DatasetError(f"{path}: no line with a label and {side * side} pixels", hint=_HINT)
        classes = class_names(labels, names, source=str(path), may_lack=may_lack)
        return cls(path, side, classes)

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def entries(self) -> Iterator[Entry]:
        """The file's pictures, in its order; a line that is none is left out.

        Raises:
            DatasetError: the file cannot be read.
        """
        size = pgm_size(self.side, self.side)
        with opened_file(self.path) as file:
            version = file_version(file)
        for line in _lines(self.path):
            row = _parsed(line.text, self.side)
            if isinstance(row, _Row) and row.label >= len(self.classes):
                row = f"label {row.label}, and the file has changed meanwhile"
            if isinstance(row, str):
                place = printable(f"{self.path.name}:{line.number}")
                yield LeftOut(place, f"line {line.number}: {row}", photo=True)
                continue
            category = self.classes[row.label]
            path = f"{category}/{line.number:05d}{EXTENSION}"
            yield Photo(path, (category,), size, version, locator=_locator(line))

    def read(self, locator: str) -> bytes:
        """One picture as a PGM file; the locator is `<offset>:<length>` of its line in bytes.

        Raises:
            OSError: the file cannot be read.
            PhotoError: no picture is there, or not any more.
        """
        offset, length = positions(locator, "offset", "length")
        text = read_at(self.path, offset, min(length, MAX_LINE_BYTES))
        row = _parsed(text, self.side) if len(text) == length else "it is cut off"
        if isinstance(row, str):
            raise PhotoError(f"{self.path}: the line at byte {offset}: {row}")
        return pgm(self.side, self.side, row.pixels)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line's label, and its pixels by rows from the top, one byte each."""

    label: int
    pixels: bytes


def _lines(path: Path) -> Iterator[Line]:
    """The lines but for the names of columns."""
    with opened_file(path) as file:
        for line in read_lines(file):
            if line.number > 1 or not _names_columns(line):
                yield line


def _side(path: Path) -> int:
    with opened_file(path) as file:
        first = next(read_lines(file), None)
    if first is None or first.text is None:
        fault = "empty" if first is None else f"a line of more than {MAX_LINE_BYTES:,} bytes"
        raise DatasetError(f"{path}: {fault}", hint=_HINT)
    fields = first.text.split(b",")
    if _names_columns(first) and _unquoted(fields[0]) != _LABEL_COLUMN:
        raise DatasetError(
            f"{path}: first column {shown(fields[0])}, expected {_LABEL_COLUMN!r}", hint=_HINT
        )
    side = math.isqrt(len(fields) - 1)
    if not side or side * side != len(fields) - 1:
        raise DatasetError(
            f"{path}: {len(fields) - 1} columns behind the label, expected a square's pixels",
            hint=_HINT,
        )
    return side


def _names_columns(line: Line) -> bool:
    first, _, _ = (line.text or b"0").partition(b",")
    return whole_number(_unquoted(first)) is None


def _unquoted(field: bytes) -> str:
    return field.decode("utf-8", "replace").strip().strip('"').lower()


def _parsed(text: bytes | None, side: int) -> _Row | str:
    """The picture, or why the line is none."""
    if text is None:
        return f"longer than {MAX_LINE_BYTES:,} bytes"
    first, *values = text.split(b",")
    label = whole_number(first.decode("utf-8", "replace"))
    if label is None or label >= MAX_CLASSES:
        return f"label {shown(first)}, expected a whole number from 0 to {MAX_CLASSES - 1:,}"
    if len(values) != side * side:
        return f"{len(values)} pixels, expected {side * side}"
    try:
        return _Row(label, bytes(map(_VALUES.__getitem__, values)))
    except KeyError as error:
        return f"pixel {shown(error.args[0])}, expected a whole number from 0 to 255"


def _locator(line: Line) -> str:
    return f"{line.offset}:{len(line.text or b'')}"
