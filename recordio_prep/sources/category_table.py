"""The category tree of Cdiscount's competition, as its `category_names.csv` gives it."""

from __future__ import annotations

import csv
import functools
import io
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.sources.labels import whole_number
from recordio_prep.sources.lines import shown
from recordio_prep.sources.positioned import opened_file
from recordio_prep.sources.source import is_listable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ID_COLUMN = "category_id"
LEVEL_COLUMNS = ("category_level1", "category_level2", "category_level3")

_MAX_TABLE_BYTES = 16_000_000
"""Above any such table: the competition's has 416,158 bytes for 5,270 categories."""

_HINT = f"give a table with the columns {ID_COLUMN}, {', '.join(LEVEL_COLUMNS)}"


def read_category_table(path: Path) -> Mapping[str, tuple[str, ...]]:
    """The levels of each category_id, from the top down; other columns are passed over.

    Names of a level are not unique (in the competition's table 7 of the third occur twice): only
    ids tell categories apart.

    Raises:
        DatasetError: the table cannot be read, lacks a column or a level, or has an id twice or one
            that is not a number.
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError:  # told below, as for any file
        changed = 0
    return _table(path, changed)


@functools.lru_cache(maxsize=2)  # a source's `tree` is asked for again and again
def _table(path: Path, _changed: int) -> Mapping[str, tuple[str, ...]]:
    with opened_file(path) as file:
        data = file.read(_MAX_TABLE_BYTES + 1)
    if len(data) > _MAX_TABLE_BYTES:
        raise DatasetError(f"{path}: more than {_MAX_TABLE_BYTES:,} bytes", hint=_HINT)
    try:
        return MappingProxyType(_tree(data))
    except (ValueError, csv.Error) as error:  # a UnicodeDecodeError is a ValueError
        raise DatasetError(f"{path}: {error}", hint=_HINT) from error


def _tree(data: bytes) -> dict[str, tuple[str, ...]]:
    tree: dict[str, tuple[str, ...]] = {}
    for line, category, levels in _rows(data):
        if category in tree:
            raise ValueError(f"line {line}: category {category} a second time")
        tree[category] = levels
    return tree


def _rows(data: bytes) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number, category_id and levels of each row."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    given = reader.fieldnames or ()
    lacking = [name for name in (ID_COLUMN, *LEVEL_COLUMNS) if name not in given]
    if lacking:
        raise ValueError(f"no column {', '.join(lacking)}")
    for row in reader:
        category, *levels = (row[name] or "" for name in (ID_COLUMN, *LEVEL_COLUMNS))
        number = whole_number(category)
        if number is None:
            raise ValueError(f"line {reader.line_num}: category_id {shown(category)}, no number")
        if not all(levels):
            raise ValueError(f"line {reader.line_num}: category {number} lacks a level")
        if not all(map(is_listable, levels)):
            raise ValueError(f"line {reader.line_num}: a level with control characters")
        yield reader.line_num, str(number), tuple(levels)
