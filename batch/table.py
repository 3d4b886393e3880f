"""predictions.csv: a row a photo, by name; written whole or not at all, and read row by row."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from batch.errors import BatchError
from contracts import cell_text, table_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from batch.outcomes import Outcome

FIXED_COLUMNS = ("filename", "prediction")
"""What the refund department's programs read."""

COLUMNS = ("label", "confidence", "verdict", "error")
"""What there may be behind them."""

DETAILED_COLUMNS = frozenset({"label", "confidence", "verdict"})
"""Those that an API may not tell: one that knows the two-member contract alone."""

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One photo of a table; what its columns do not tell is empty or None."""

    filename: str
    prediction: int | None
    label: str = ""
    confidence: float | None = None
    verdict: str = ""
    error: str = ""


def write_table(
    path: Path, outcomes: Iterable[tuple[str, Outcome]], columns: Sequence[str] = ()
) -> None:
    """Write the table under another name, to the disk itself, then rename it.

    Args:
        path: of the table.
        outcomes: photos in the order of the rows.
        columns: some of COLUMNS, in the order wanted.

    Raises:
        BatchError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            write_rows(file, outcomes, columns)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}",
            hint="free some space, or give another --out; the answers are kept in the journal",
        ) from error


def write_rows(
    file: IO[str], outcomes: Iterable[tuple[str, Outcome]], columns: Sequence[str] = ()
) -> None:
    """The table's text, with lines that end as RFC 4180 has it and cells as `table_cell`."""
    rows = csv.writer(file)
    rows.writerow((*FIXED_COLUMNS, *columns))
    for name, outcome in outcomes:
        cells = {
            "label": table_cell(outcome.label),
            "confidence": "" if outcome.confidence is None else round(outcome.confidence, _DIGITS),
            "verdict": table_cell(outcome.verdict),
            "error": table_cell(outcome.error),
        }
        prediction = "" if outcome.prediction is None else outcome.prediction
        rows.writerow((table_cell(name), prediction, *(cells[column] for column in columns)))


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a table of any columns.

    Raises:
        BatchError: it is not there, or is no such table.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            _check_columns(path, rows.fieldnames or ())
            for number, cells in enumerate(rows, 2):
                yield _row(path, number, cells)
    except (OSError, csv.Error) as error:
        raise BatchError(
            f"{path} cannot be read: {error}", hint="name what `snapshelf batch run --out` wrote"
        ) from error


def _check_columns(path: Path, found: Sequence[str]) -> None:
    if lacking := [name for name in FIXED_COLUMNS if name not in found]:
        raise BatchError(
            f"{path} has no column {lacking[0]!r}: expected {', '.join(FIXED_COLUMNS)} at least",
            hint="name what `snapshelf batch run --out` wrote",
        )


def _row(path: Path, number: int, cells: dict[str, str | None]) -> Row:
    given = {name: cell_text(cells.get(name) or "") for name in (*FIXED_COLUMNS, *COLUMNS)}
    try:
        return Row(
            given["filename"],
            int(given["prediction"]) if given["prediction"] else None,
            given["label"],
            float(given["confidence"]) if given["confidence"] else None,
            given["verdict"],
            given["error"],
        )
    except ValueError as error:
        raise BatchError(
            f"{path}, line {number}: {error}, expected a class's number and a confidence of 0..1",
            hint="name what `snapshelf batch run --out` wrote",
        ) from error
