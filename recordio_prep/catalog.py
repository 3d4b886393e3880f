"""The catalog of a preparation: every photo, what is known of it, and where it goes, in SQLite.

Memory stays flat however many photos there are, sorting is the database's business, and what a
killed run had reached is still there. One process writes; others may read meanwhile.

| table | a row for each | written by |
|---|---|---|
| `photos` | photo that a source lists | listing |
| `left_out` | file or row that is not packed, with the reason | listing, encoding, dropping |
| `facts` | photo that was decoded: what it is, and where its payload lies | encoding |
| `chunks` | chunk of photos that was encoded as a whole | encoding |
| `families` | photo that shows the same as another | looking for duplicates |
| `records` | record that is written | dividing |

The view `known` joins `photos` and `facts` of those that were decoded and not left out.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any, Self

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from recordio_prep.sources.source import LeftOut

SCHEMA_VERSION = 2
"""Of the tables, and of how photos become what stands in them and in the spool."""

PARTS = ("photos", "validation", "test")
"""The sources that a person can give; `photos` is divided into train and validation."""

SEPARATOR = "\x1f"
"""Between the categories of a multi-label photo, in the column `categories`."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,       -- 0, 1, 2, ... in the order of listing
    part TEXT NOT NULL,           -- one of PARTS
    path TEXT NOT NULL,
    categories TEXT NOT NULL,     -- joined by SEPARATOR
    product TEXT NOT NULL,        -- '' where unknown
    size INTEGER NOT NULL,        -- bytes of the file, 0 where unknown
    version TEXT NOT NULL,
    locator TEXT NOT NULL,
    side INTEGER NOT NULL,        -- its place in the shuffle that divides; equal within a product
    turn INTEGER NOT NULL,        -- its place in the shuffle of the training records
    usable INTEGER NOT NULL DEFAULT 1,  -- 0: it turned out unreadable, or an option leaves it out
    split TEXT,                   -- where it goes; NULL: nowhere
    UNIQUE (part, path)
);
CREATE TABLE left_out (
    part TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    kind TEXT NOT NULL,           -- one of LEFT_OUT_KINDS
    PRIMARY KEY (part, path, reason)
) WITHOUT ROWID;
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,       -- photos.id
    encoding TEXT NOT NULL,       -- of the payload: jpeg or png
    chunk INTEGER NOT NULL,       -- the spool file that holds it
    start INTEGER NOT NULL,       -- its first byte there
    length INTEGER NOT NULL,      -- its bytes
    digest BLOB NOT NULL,         -- SHA-256 of the photo file
    format TEXT NOT NULL,         -- Pillow's name of it
    width INTEGER NOT NULL,       -- of the photo as it stands upright, pixels
    height INTEGER NOT NULL,
    hash INTEGER NOT NULL,        -- perceptual hash of the prepared photo, 64 bits, signed
    detail REAL NOT NULL,         -- largest standard deviation of a channel, prepared, 0..127.5
    red INTEGER NOT NULL, green INTEGER NOT NULL, blue INTEGER NOT NULL,     -- sums of the pixels
    red2 INTEGER NOT NULL, green2 INTEGER NOT NULL, blue2 INTEGER NOT NULL   -- of their squares
);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    length INTEGER NOT NULL       -- bytes of its payloads together
);
CREATE TABLE families (
    id INTEGER PRIMARY KEY,       -- photos.id
    family INTEGER NOT NULL,      -- the lowest photos.id of those that show the same
    exact INTEGER NOT NULL        -- 1: the same bytes as another of the family
);
CREATE TABLE records (
    split TEXT NOT NULL,
    place INTEGER NOT NULL,       -- 0, 1, 2, ... in the order of writing
    id INTEGER NOT NULL,          -- photos.id
    number INTEGER NOT NULL,      -- what .lst, .idx and the record's header call it
    PRIMARY KEY (split, place)
) WITHOUT ROWID;
CREATE VIEW known AS SELECT * FROM photos JOIN facts USING (id) WHERE usable;
CREATE INDEX by_category ON photos (part, categories, side);
"""

LEFT_OUT_KINDS = ("other", "unreadable", "dropped")
"""A file that was never a photo; one that was meant to be; one that an option left out."""


class Catalog:
    """One preparation's catalog. Close it, or use it as a context."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new, empty catalog; what stood at `path` is replaced."""
        remove(path)
        connection = _connect(path)
        connection.executescript(_SCHEMA)
        catalog = cls(connection)
        catalog.set_meta("schema", SCHEMA_VERSION)
        connection.commit()
        return catalog

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """The catalog that an earlier run left; None if there is none, or it is damaged."""
        if not path.exists():
            return None
        try:
            connection = _connect(path)
        except DatasetError:
            return None
        try:
            catalog = cls(connection)
            sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            if sound and catalog.meta("schema") == SCHEMA_VERSION:
                return catalog
        except sqlite3.DatabaseError:
            pass
        connection.close()
        return None

    @classmethod
    @contextlib.contextmanager
    def reading(cls, path: Path) -> Iterator[Self]:
        """The catalog for reading only, as worker processes open it."""
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            yield cls(connection)
        finally:
            connection.close()

    def close(self) -> None:
        """Close the database; what was not committed is lost."""
        self.connection.close()

    def set_meta(self, key: str, value: Any) -> None:
        """Remember a JSON value."""
        self.connection.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value))
        )

    def meta(self, key: str) -> Any:
        """A value that was remembered; None if it was not."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def leave_out(self, part: str, entry: LeftOut) -> None:
        """Remember what is not packed; an entry that is there already is not doubled."""
        self.leave_out_all([(part, entry.path, entry.reason, _kind(entry))])

    def leave_out_all(self, rows: Iterable[tuple[str, str, str, str]]) -> None:
        """Remember rows of `left_out`: part, path, reason, kind."""
        self.connection.executemany("INSERT OR IGNORE INTO left_out VALUES (?, ?, ?, ?)", rows)

    def count(self, table: str, where: str = "1", parameters: Iterable[Any] = ()) -> int:
        """How many rows of a table meet a condition."""
        query = f"SELECT COUNT(*) FROM {table} WHERE {where}"  # noqa: S608 (both are literals of ours)
        count: int = self.connection.execute(query, tuple(parameters)).fetchone()[0]
        return count

    def left_out_counts(self) -> dict[str, int]:
        """How many entries are left out, by kind."""
        rows = self.connection.execute("SELECT kind, COUNT(*) FROM left_out GROUP BY kind")
        return dict.fromkeys(LEFT_OUT_KINDS, 0) | dict(rows.fetchall())


def remove(path: Path) -> None:
    """Delete a catalog with the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def joined(categories: Iterable[str]) -> str:
    """Categories as the column holds them."""
    return SEPARATOR.join(categories)


def parted(categories: str) -> tuple[str, ...]:
    """The reverse of `joined`."""
    return tuple(categories.split(SEPARATOR)) if categories else ()


def _kind(entry: LeftOut) -> str:
    return "unreadable" if entry.photo else "other"


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path)
        # A crash of the program loses nothing; one of the machine at most the last chunks, which
        # are then encoded again.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Large sorts go beside the catalog, where space is: /tmp may be memory.
        folder = str(path.parent.resolve()).replace("'", "''")
        connection.execute(f"PRAGMA temp_store_directory = '{folder}'")
    except sqlite3.Error as error:
        raise DatasetError(
            f"{path}: {error}", hint="free some space, or give another folder"
        ) from error
    return connection
