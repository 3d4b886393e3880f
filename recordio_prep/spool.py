"""Encoded photos on their way: a file a chunk, there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OPEN_FILES = 128


@dataclass(frozen=True, slots=True)
class Spool:
    """A folder of chunks."""

    folder: Path

    def write(self, chunk: int, payloads: Iterable[bytes]) -> None:
        """Write a chunk's payloads one behind the other, to the disk itself."""
        path = self.path(chunk)
        temporary = path.with_suffix(".partial")
        with temporary.open("wb") as file:
            file.writelines(payloads)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def holds(self, chunk: int, length: int) -> bool:
        """Whether a chunk of that many bytes is there.

        After a loss of power the catalog may know of a chunk whose name the disk does not.
        """
        path = self.path(chunk)
        return path.exists() and path.stat().st_size == length

    @contextlib.contextmanager
    def reader(self) -> Iterator[SpoolReader]:
        """Reads payloads back, in any order."""
        reader = SpoolReader(self)
        try:
            yield reader
        finally:
            reader.close()

    def path(self, chunk: int) -> Path:
        """The chunk's file."""
        return self.folder / f"{chunk:06d}.spool"


class SpoolReader:
    """Keeps the files open that were used last: a shuffle goes back and forth between them."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._open: dict[int, int] = {}

    def read(self, chunk: int, start: int, length: int) -> bytes:
        """A payload.

        Raises:
            RecordError: the chunk is shorter than was noted: the disk lost it.
        """
        payload = os.pread(self._descriptor(chunk), length, start)
        if len(payload) < length:
            raise RecordError(
                f"{self._spool.path(chunk)} ends before byte {start + length}",
                hint=f"remove {self._spool.folder.parent} and prepare the photos again",
            )
        return payload

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, chunk: int) -> int:
        descriptor = self._open.pop(chunk, None)
        if descriptor is None:
            descriptor = os.open(self._spool.path(chunk), os.O_RDONLY | os.O_CLOEXEC)
        self._open[chunk] = descriptor  # the last used stands last
        if len(self._open) > _OPEN_FILES:
            os.close(self._open.pop(next(iter(self._open))))
        return descriptor
