"""Remembers on the disk, not in memory, which links came already."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Self

from recordio_prep.sources.link_cache import link_digest

if TYPE_CHECKING:
    from recordio_prep.sources.link_table import Row

_TABLE = (
    "CREATE TABLE seen (category TEXT, link BLOB, place TEXT, labels TEXT,"
    " PRIMARY KEY (category, link)) WITHOUT ROWID"
)


class SeenLinks:
    """Links by category, in a temporary database that SQLite removes itself."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._base.close()

    def add(self, category: str, row: Row) -> tuple[str, bool] | None:
        """Remember the row.

        Returns:
            None if its link is new in this category; else the place of the row that had it first,
            and whether that has the same labels.
        """
        key = (category, bytes.fromhex(link_digest(row.link))[:16])
        labels = "|".join(sorted(row.labels))
        added = self._base.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", (*key, row.place, labels)
        )
        if added.rowcount:
            return None
        place, first = self._base.execute(
            "SELECT place, labels FROM seen WHERE category = ? AND link = ?", key
        ).fetchone()
        return place, first == labels
