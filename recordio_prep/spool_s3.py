"""The spool in S3: an object a chunk, read back by ranges, many at a time."""

from __future__ import annotations

import contextlib
import io
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from contracts import RecordError
from recordio_prep import s3_storage
from recordio_prep.sources.s3_access import MAX_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from recordio_prep.sources.s3_access import Address
    from recordio_prep.spool import Piece

_WINDOW = 256
"""Pieces that are looked at together. With the window before, they bound the memory."""

_MAX_GAP = 64 << 10
"""Bytes that are read for nothing sooner than to ask again: less than 20 ms take to pass."""

_MAX_RANGE = 8 << 20


@dataclass(frozen=True, slots=True)
class S3Spool:
    """Chunks below a prefix: a Spooler for workers anywhere.

    A PUT a chunk, and a GET a payload at worst: a shuffled split takes its records from all chunks
    at once. Neighbours in a chunk are read together, which most of a split in the order of its
    paths are.

    Attributes:
        uri: `s3://bucket/prefix`, of this preparation alone.
    """

    uri: str

    def write(self, chunk: int, payloads: Iterable[bytes]) -> None:
        """See Spooler."""
        s3_storage.write(self.address(chunk), io.BytesIO(b"".join(payloads)))

    def holds(self, _chunk: int, _length: int) -> bool:
        """See Spooler. What S3 has taken it keeps: to ask for each would cost a request each."""
        return True

    def settle(self) -> None:
        """See Spooler. They do already."""

    def free_bytes(self) -> float:
        """See Spooler."""
        return math.inf

    @contextlib.contextmanager
    def reader(self) -> Iterator[S3SpoolReader]:
        """See Spooler."""
        threads = ThreadPoolExecutor(MAX_CONNECTIONS, thread_name_prefix="spool")
        try:
            yield S3SpoolReader(self, threads)
        finally:
            threads.shutdown(cancel_futures=True)

    def clear(self) -> None:
        """See Spooler."""
        prefix = s3_storage.folder(self.uri)
        s3_storage.remove(prefix, s3_storage.sizes(prefix))

    def address(self, chunk: int) -> Address:
        """The chunk's object."""
        return s3_storage.within(s3_storage.folder(self.uri), f"{chunk:06d}.spool")


@dataclass(frozen=True, slots=True)
class S3SpoolReader:
    """Asks for a window of pieces while the one before is handed out."""

    spool: S3Spool
    threads: ThreadPoolExecutor

    def payloads(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """See PayloadReader.

        Raises:
            RecordError: as said there.
            BrokenOffError: S3 refuses to answer.
        """
        remaining = iter(pieces)
        asked: deque[_Window] = deque()
        while window := tuple(islice(remaining, _WINDOW)):
            asked.append(self._asked(window))
            if len(asked) > 1:
                yield from asked.popleft().payloads()
        while asked:
            yield from asked.popleft().payloads()

    def _asked(self, pieces: Sequence[Piece]) -> _Window:
        places: dict[Piece, tuple[Future[bytes], int]] = {}
        for together in _neighbours(pieces):
            start = together[0].start
            length = max(piece.start + piece.length for piece in together) - start
            read = self.threads.submit(self._read, together[0].chunk, start, length)
            places |= {piece: (read, piece.start - start) for piece in together}
        return _Window(pieces, places)

    def _read(self, chunk: int, start: int, length: int) -> bytes:
        address = self.spool.address(chunk)
        data = s3_storage.read(address, start, length)
        if data is None or len(data) < length:
            raise RecordError(
                f"{address} {'has gone' if data is None else f'ends before {start + length}'}",
                hint=f"remove what is below {self.spool.uri} and prepare the photos again",
            )
        return data


@dataclass(frozen=True, slots=True)
class _Window:
    pieces: Sequence[Piece]
    places: dict[Piece, tuple[Future[bytes], int]]

    def payloads(self) -> Iterator[bytes]:
        for piece in self.pieces:
            read, start = self.places[piece]
            yield read.result()[start : start + piece.length]


def _neighbours(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces that one request gets, in the order of their bytes."""
    together: list[Piece] = []
    for piece in sorted(set(pieces)):
        if together and not _near(together, piece):
            yield together
            together = []
        together.append(piece)
    if together:
        yield together


def _near(together: Sequence[Piece], piece: Piece) -> bool:
    first, last = together[0], together[-1]
    return (
        piece.chunk == first.chunk
        and piece.start - (last.start + last.length) <= _MAX_GAP
        and piece.start + piece.length - first.start <= _MAX_RANGE
    )
