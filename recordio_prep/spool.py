"""Encoded photos on their way: a file or object a chunk, there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from contracts import RecordError
from recordio_prep.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OPEN_FILES = 128


class Piece(NamedTuple):
    """Where a payload lies: the chunk, its first byte there, and its bytes."""

    chunk: int
    start: int
    length: int


class PayloadReader(Protocol):
    """Reads payloads back."""

    def payloads(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """The payloads in the order of the pieces, which need none.

        Raises:
            RecordError: a chunk is not there, or shorter than was noted.
        """
        ...


class Spooler(Protocol):
    """A place for chunks that every worker reaches. Its methods may be called anywhere at once."""

    def write(self, chunk: int, payloads: Iterable[bytes]) -> None:
        """Write a chunk's payloads one behind the other; what stood there is replaced."""
        ...

    def holds(self, chunk: int, length: int) -> bool:
        """Whether a chunk of that many bytes, which was written once, is there still."""
        ...

    def free_bytes(self) -> float:
        """How much more it can take; infinity where nothing limits it."""
        ...

    def settle(self) -> None:
        """See to it that all chunks outlive a loss of power."""
        ...

    def reader(self) -> contextlib.AbstractContextManager[PayloadReader]:
        """Reads payloads back, until the end of the block."""
        ...

    def clear(self) -> None:
        """Remove every chunk, and make room for others."""
        ...


@dataclass(frozen=True, slots=True)
class Spool:
    """A folder of chunks: a Spooler for this machine, or for several that share the folder."""

    folder: Path

    def write(self, chunk: int, payloads: Iterable[bytes]) -> None:
        """See Spooler; to the disk itself."""
        path = self.path(chunk)
        # Where a worker was taken for lost, another may write the same chunk at the same time.
        temporary = path.with_suffix(f".{socket.gethostname()}-{os.getpid()}.partial")
        with temporary.open("wb") as file:
            file.writelines(payloads)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def holds(self, chunk: int, length: int) -> bool:
        """See Spooler. After a loss of power the catalog may know of more than the disk."""
        path = self.path(chunk)
        return path.exists() and path.stat().st_size == length

    def settle(self) -> None:
        """See Spooler."""
        sync_folder(self.folder)

    def free_bytes(self) -> float:
        """See Spooler."""
        return shutil.disk_usage(self.folder).free

    @contextlib.contextmanager
    def reader(self) -> Iterator[SpoolReader]:
        """See Spooler."""
        reader = SpoolReader(self)
        try:
            yield reader
        finally:
            reader.close()

    def clear(self) -> None:
        """See Spooler."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def path(self, chunk: int) -> Path:
        """The chunk's file."""
        return self.folder / f"{chunk:06d}.spool"


class SpoolReader:
    """Keeps the files open that were used last: a shuffle goes back and forth between them."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._open: dict[int, int] = {}

    def payloads(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """See PayloadReader."""
        return (self._payload(*piece) for piece in pieces)

    def _payload(self, chunk: int, start: int, length: int) -> bytes:
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
