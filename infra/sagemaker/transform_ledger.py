"""Which outputs of a transform job stand: a file that a killed plane leaves behind readable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from pathlib import Path


class Ledger:
    """The outputs that have been stored, by URI; use it as a context manager.

    Each is written down once its output stands, so that of a killed job at most those under way are
    transformed again.
    """

    def __init__(self, file: TextIO, done: set[str]) -> None:
        self._file, self._done = file, done

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read what an interrupted run left, and go on behind it. Blocks."""
        file = path.open("a+")
        file.seek(0)
        text = file.read()
        if text and not text.endswith("\n"):
            file.write("\n")  # the end of a line that was being written as the plane was killed
        return cls(file, {uri for line in text.splitlines() if (uri := _read(line)) is not None})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, uri: str) -> bool:
        return uri in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, uri: str) -> None:
        """Write down an output that stands."""
        self._file.write(json.dumps(uri) + "\n")  # a key may hold line ends
        self._file.flush()


def _read(line: str) -> str | None:
    try:
        uri = json.loads(line)
    except ValueError:
        return None
    return uri if isinstance(uri, str) else None
