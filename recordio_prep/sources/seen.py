"""Which paths a list has named before: any number of them, on the disk and not in memory."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seen:
    """Paths, each with the line that named it first and what that line said of it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def before(self, path: str, line: int, said: str) -> tuple[int, str] | None:
        """The line that named this path first, and what it said; None if it is this one."""
        added = self._database.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (path, line, said)
        )
        if added.rowcount:
            return None
        row = self._database.execute("SELECT line, said FROM seen WHERE path = ?", (path,))
        first, said_first = row.fetchone()
        return first, said_first


@contextlib.contextmanager
def opened_seen() -> Iterator[Seen]:
    """None seen yet. SQLite's unnamed database is a file that vanishes with the connection.

    Raises:
        DatasetError: there is no room for it, now or inside the block.
    """
    try:
        with contextlib.closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")  # nothing of it outlives a crash
            database.execute(
                "CREATE TABLE seen (path TEXT PRIMARY KEY, line INTEGER, said TEXT) WITHOUT ROWID"
            )
            yield Seen(database)
    except sqlite3.Error as error:
        raise DatasetError(
            f"paths seen before cannot be kept: {error}",
            hint="free some space in the temporary folder, or set SQLITE_TMPDIR to another",
        ) from error
