"""Rows that are written bit by bit, and gone on with where a run was broken off."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hosting.model import Model

COLUMNS = ("_id", "category_id")
"""Of the competition's own submissions."""

PROBLEM_COLUMNS = ("product", "problem")


def stamp_of(model: Model, path: Path) -> str:
    """What rows depend on: another model, or another file, begins anew."""
    stat = path.stat()
    return json.dumps([model.version, str(path.resolve()), stat.st_size, stat.st_mtime_ns])


@dataclass(slots=True)
class Progress:
    """How far the rows have come; `out` itself appears once they are whole.

    Attributes:
        out: where the rows go in the end; until then into `<out>.partial`, and problems into
            `<out>.problems.csv`.
        stamp: what they depend on.
        documents: of the source that are done, those without a row included.
        rows: that are written.
        sizes: bytes of both files when that was so: whatever a kill left behind them is cut off.
    """

    out: Path
    stamp: str
    documents: int = 0
    rows: int = 0
    sizes: tuple[int, int] = (0, 0)

    @classmethod
    def resume(cls, out: Path, stamp: str) -> Progress:
        """Where a run before has come to with the same stamp, or the beginning."""
        progress = cls(out, stamp)
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            known = json.loads(progress._noted.read_text(encoding="utf-8"))
            if known["stamp"] == stamp:
                progress.documents, progress.rows = known["documents"], known["rows"]
                progress.sizes = tuple(known["sizes"])
                for path, size in zip(progress._files, progress.sizes, strict=True):
                    os.truncate(path, size)
                return progress
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # there was none, or what it left cannot be gone on with
        for path, columns in zip(progress._files, (COLUMNS, PROBLEM_COLUMNS), strict=True):
            path.write_text(_lines([columns]), encoding="utf-8", newline="")
        progress._note()
        return progress

    def add(
        self, documents: int, rows: Sequence[Sequence[str]], problems: Sequence[Sequence[str]]
    ) -> None:
        """Write what became of so many more documents."""
        for path, more in zip(self._files, (rows, problems), strict=True):
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(_lines(more))
        self.documents += documents
        self.rows += len(rows)
        self._note()

    def finish(self) -> None:
        """Put the rows into their place."""
        self._files[0].replace(self.out)
        self._noted.unlink()

    def give_up(self) -> None:
        """Leave nothing behind but the problems."""
        self._files[0].unlink()
        self._noted.unlink()

    @property
    def _files(self) -> tuple[Path, Path]:
        return self._beside(".partial"), self._beside(".problems.csv")

    @property
    def _noted(self) -> Path:
        return self._beside(".progress.json")

    def _beside(self, ending: str) -> Path:
        return self.out.with_name(self.out.name + ending)

    def _note(self) -> None:
        first, second = self._files
        self.sizes = (first.stat().st_size, second.stat().st_size)
        known = {
            "stamp": self.stamp,
            "documents": self.documents,
            "rows": self.rows,
            "sizes": self.sizes,
        }
        partial = self._beside(".progress.json.new")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(self._noted)


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
