"""RecordIO's framing: Pipe mode wraps payloads in it, batch transform takes it apart again."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.sagemaker.object_store import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = struct.pack("<I", 0xCED7230A)
MAX_RECORD_BYTES = 2**29 - 1
"""A length has 29 bits; the three above them say which part of a record it is."""

_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEAD = struct.Struct("<4sI")


def wrapped(payload: bytes) -> bytes:
    """One record: magic, part and length, the payload, zeros up to a multiple of 4 bytes.

    Where the payload itself holds the magic at a multiple of 4, it is cut there into several parts
    and the magic left out, so that a reader can find the next record from anywhere.

    Source: dmlc-core, `recordio.h` and `recordio.cc`, as MXNet reads it.

    Raises:
        StorageError: the payload is longer than MAX_RECORD_BYTES.
    """
    if len(payload) > MAX_RECORD_BYTES:
        raise StorageError(
            f"a record of {len(payload)} bytes: RecordIO takes up to {MAX_RECORD_BYTES}"
        )
    parts = list(_parts(payload))
    if len(parts) == 1:
        return _framed(_WHOLE, payload)
    flags = [_FIRST, *[_MIDDLE] * (len(parts) - 2), _LAST]
    return b"".join(_framed(flag, part) for flag, part in zip(flags, parts, strict=True))


def _parts(payload: bytes) -> Iterator[bytes]:
    begin, position = 0, payload.find(MAGIC)
    while position >= 0:
        if position % 4 == 0:
            yield payload[begin:position]
            begin = position + 4
            position = payload.find(MAGIC, begin)
        else:
            position = payload.find(MAGIC, position + 1)
    yield payload[begin:]


def _framed(flag: int, part: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a stream: what it carries, and its own bytes with framing and padding."""

    payload: bytes
    framed: bytes


def records(pieces: Iterable[bytes]) -> Iterator[Record]:
    """Every record of a RecordIO stream that comes in pieces of any size.

    Holds one record at a time, and the piece that it ends in.

    Raises:
        StorageError: the stream is no RecordIO, or ends within a record.
    """
    stream = _Stream(pieces)
    payload: list[bytes] = []
    framed: list[bytes] = []
    while head := stream.take(_HEAD.size):
        magic, word = _HEAD.unpack(head)
        flag, length = word >> 29, word & MAX_RECORD_BYTES
        if magic != MAGIC or (flag in (_WHOLE, _FIRST)) != (not framed):
            raise StorageError(f"{head!r} is no head of a record: expected RecordIO")
        part = stream.take(length + -length % 4, within=True)
        payload.append(part[:length])
        framed += [head, part]
        if flag in (_WHOLE, _LAST):  # where a record was cut, the magic had been left out
            yield Record(MAGIC.join(payload), b"".join(framed))
            payload, framed = [], []
    if framed:
        raise StorageError("the last record lacks its end: expected RecordIO")


class _Stream:
    """Exact numbers of bytes out of pieces of any size."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), bytearray()

    def take(self, count: int, *, within: bool = False) -> bytes:
        """The next `count` bytes; none at the stream's end, unless that is `within` a record."""
        while len(self._rest) < count:
            piece = next(self._pieces, None)
            if piece is None:
                if self._rest or within:
                    raise StorageError("it ends within a record: expected RecordIO")
                return b""
            self._rest += piece
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken
