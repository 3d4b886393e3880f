"""The journal beside the table: an SQLite file that knows every photo and what became of it.

It is written before a photo is sent and when its answer is there, so that a run that was killed
goes on without a photo lost; sorting is the database's business, so that memory stays flat.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from batch.errors import BatchError
from batch.outcomes import GONE, PASSING_CODES, Outcome
from batch.photos import Photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Again: TypeAlias = Literal["passing", "failed", "all"]

SENDING, MOVING, DONE = "sending", "moving", "done"
"""States of a run: photos are answered; the table stands and they are put away; nothing is left."""

_FORMAT = 1
_PAGE = 500
_OUTCOME = "prediction, label, confidence, verdict, error, code"
_PENDING = "prediction IS NULL AND code = ''"
_SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
_TABLES = f"""
CREATE TABLE IF NOT EXISTS run (
  only INTEGER PRIMARY KEY CHECK (only = 1), state TEXT, source TEXT, began TEXT, listing INTEGER
);
CREATE TABLE IF NOT EXISTS photo (
  name BLOB PRIMARY KEY, size INTEGER, stamp TEXT, listing INTEGER, sent INTEGER DEFAULT 0,
  prediction INTEGER, label TEXT DEFAULT '', confidence REAL, verdict TEXT DEFAULT '',
  error TEXT DEFAULT '', code TEXT DEFAULT ''
) WITHOUT ROWID;
PRAGMA user_version = {_FORMAT};
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a run has come.

    Attributes:
        photos: in all.
        answered: with a prediction; `unlabelled` are those of them without a class's name.
        failed: with a reason in its place.
        unanswered_sent: sent, with neither.
    """

    photos: int
    answered: int
    unlabelled: int
    failed: int
    unanswered_sent: int


class Journal:
    """What is known of every photo of a run, and of the runs before it that answered them.

    Names are kept as the bytes that the file system has, and come out in the order of those bytes.
    One thread may use it.

    Raises:
        BatchError: the file is no journal, is one of another version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found in (0, _FORMAT):
                self._db.executescript(_SETTINGS + _TABLES)
        except sqlite3.Error as error:
            raise BatchError(
                f"{path} cannot be used as a journal: {error}",
                hint="free some space, or give another --out",
            ) from error
        if found not in (0, _FORMAT):
            raise BatchError(
                f"{path} has format {found}: expected {_FORMAT}",
                hint="finish with the version of Snapshelf that made it, or give another --out",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; SQLite then takes its two side files away."""
        self._db.close()

    def remove(self) -> None:
        """Close the journal and delete it: nothing of it is needed any more."""
        self.close()
        self.path.unlink(missing_ok=True)

    @property
    def state(self) -> str:
        """SENDING, MOVING, or DONE, also where there was no run yet."""
        return self._run()[0]

    @property
    def began(self) -> str:
        """When the run began, as `begin` was told."""
        return self._run()[2]

    def enter(self, state: str) -> None:
        """Write down that the run has come to `state`."""
        self._db.execute("UPDATE run SET state = ?", (state,))

    def begin(self, source: str, began: str) -> bool:
        """Begin a run, or go on with the one that was broken off; whether it is the latter.

        Raises:
            BatchError: the journal is about photos of another place.
        """
        state, known, _ = self._run()
        if known and known != source:
            raise BatchError(
                f"{self.path} is the journal of {known}, not of {source}",
                hint="give each place of photos an --out of its own",
            )
        if state == SENDING:
            self._db.execute("UPDATE run SET listing = listing + 1")
            return True
        self._db.execute(
            "INSERT INTO run VALUES (1, ?, ?, ?, 1) ON CONFLICT (only) DO UPDATE SET"
            " state = excluded.state, began = excluded.began, listing = listing + 1",
            (SENDING, source, began),
        )
        return False

    def take_in(self, photos: Iterable[Photo], *, resumed: bool, again: Again = "passing") -> None:
        """Take in all photos that are there.

        A photo of the same size and stamp keeps its answer, another content is asked about anew.
        What is not there any more leaves a new run; in one that goes on an answer stays, and where
        there is none, that is the reason.

        Args:
            photos: in any order, each once.
            resumed: whether the run goes on.
            again: what a new run asks about again: photos that failed for a reason that may have
                passed ("passing", as does one that goes on), all that failed ("failed"), or "all".
        """
        listing = self._db.execute("SELECT listing FROM run").fetchone()[0]
        with self._db:
            self._db.execute("BEGIN")
            for photo in photos:
                self._take_in(photo, listing)
            self._forget("passing" if resumed else again)
            if resumed:
                self._db.execute(
                    f"UPDATE photo SET error = ?, code = ? WHERE listing < ? AND {_PENDING}",  # noqa: S608 (a constant)
                    ("it was gone before it could be sent", GONE, listing),
                )
            else:
                self._db.execute("DELETE FROM photo WHERE listing < ?", (listing,))

    def pending(self) -> Iterator[Photo]:
        """Photos that have neither an answer nor a reason, by name; rows may change meanwhile."""
        last = b""
        while True:
            rows = self._db.execute(
                f"SELECT name, size, stamp FROM photo WHERE name > ? AND {_PENDING}"  # noqa: S608 (a constant)
                " ORDER BY name LIMIT ?",
                (last, _PAGE),
            ).fetchall()
            if not rows:
                return
            for name, size, stamp in rows:
                yield Photo(os.fsdecode(name), size, stamp)
            last = rows[-1][0]

    def mark_sent(self, names: Iterable[str]) -> None:
        """Write down, before a batch goes out, which photos are in it."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE photo SET sent = sent + 1 WHERE name = ?", [(_key(name),) for name in names]
            )

    def record(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Write down what became of photos; it outlives a kill from here on."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE photo SET (prediction, label, confidence, verdict, error, code)"
                " = (?, ?, ?, ?, ?, ?) WHERE name = ?",
                [(*astuple(outcome), _key(name)) for name, outcome in outcomes],
            )

    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """Every photo and what became of it, by name."""
        rows = self._db.execute(f"SELECT name, {_OUTCOME} FROM photo ORDER BY name")  # noqa: S608 (a constant)
        for name, *outcome in rows:
            yield os.fsdecode(name), Outcome(*outcome)

    def answered(self) -> Iterator[Photo]:
        """Photos with a prediction, as they were listed, by name."""
        rows = self._db.execute(
            "SELECT name, size, stamp FROM photo WHERE prediction IS NOT NULL ORDER BY name"
        )
        for name, size, stamp in rows:
            yield Photo(os.fsdecode(name), size, stamp)

    def counts(self) -> Counts:
        """How far the run has come."""
        row = self._db.execute(
            "SELECT COUNT(*), COUNT(prediction),"
            " TOTAL(prediction IS NOT NULL AND label = ''), TOTAL(code <> ''),"
            " TOTAL(sent > 0 AND prediction IS NULL AND code = '') FROM photo"
        ).fetchone()
        return Counts(*map(int, row))

    def _take_in(self, photo: Photo, listing: int) -> None:
        key = _key(photo.name)
        self._db.execute(
            "DELETE FROM photo WHERE name = ? AND (size <> ? OR stamp <> ?)",
            (key, photo.size, photo.stamp),
        )
        self._db.execute(
            "INSERT INTO photo (name, size, stamp, listing) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET listing = excluded.listing",
            (key, photo.size, photo.stamp, listing),
        )

    def _forget(self, again: Again) -> None:
        codes = [code for (code,) in self._db.execute("SELECT DISTINCT code FROM photo").fetchall()]
        if again != "all":
            codes = [
                code for code in codes if code in PASSING_CODES or (again == "failed" and code)
            ]
        self._db.executemany(
            "UPDATE photo SET sent = 0, prediction = NULL, label = '', confidence = NULL,"
            " verdict = '', error = '', code = '' WHERE code = ?",
            [(code,) for code in codes],
        )

    def _run(self) -> tuple[str, str, str]:
        """State, source and beginning of the run that the journal is about."""
        row = self._db.execute("SELECT state, source, began FROM run").fetchone()
        return row or (DONE, "", "")


def _key(name: str) -> bytes:
    return os.fsencode(name)
