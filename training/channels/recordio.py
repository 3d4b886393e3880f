"""MXNet's RecordIO: a stream cut into records, and a record into its labels and its photo.

MXNet's own reader is not used: it does not say where a record begins, has one position for all
threads, and ends the process on some damage. Its writer is what scratch files are written with.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

PHOTO_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n")
"""First bytes of the two encodings that im2rec and `snapshelf prepare` write."""

MAGIC = struct.pack("<I", 0xCED7230A)
"""Before every part of a record (dmlc-core, `include/dmlc/recordio.h`)."""

DAMAGED = "the file is damaged"

_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEADER = struct.Struct("<IfQQ")
"""MXNet's IRHeader: number of labels that follow (0: the one within), label, id, id2."""


class Frame(NamedTuple):
    """A record as it lies in its file: where its first byte is, its bytes in the file, its data."""

    offset: int
    length: int
    data: bytes


class Record(NamedTuple):
    """What a record holds: id, labels float32 (K,), the photo file's bytes."""

    id: int
    labels: np.ndarray[tuple[int], np.dtype[np.float32]]
    photo: bytes


def frames(stream: BinaryIO) -> Iterator[Frame]:
    """Every record of a stream, which may be a FIFO: it is read forward only.

    Raises:
        ValueError: the stream is no RecordIO, or ends within a record.
    """
    offset = 0
    while True:
        length = 0
        parts: list[bytes] = []
        while (part := _part(stream)) is not None:
            place, data = part
            if (place in {_WHOLE, _FIRST}) == bool(parts):
                raise ValueError(DAMAGED)
            parts.append(data)
            length += len(MAGIC) + 4 + _padded(len(data))
            if place in {_WHOLE, _LAST}:
                break
        if part is None:
            if parts:
                raise ValueError(DAMAGED)
            return
        # A record is cut where the magic word stands in its own data, which the cut leaves out.
        yield Frame(offset, length, MAGIC.join(parts))
        offset += length


def _part(stream: BinaryIO) -> tuple[int, bytes] | None:
    """One part and its place in the record, or None at the stream's end."""
    head = stream.read(8)
    if not head:
        return None
    if len(head) < 8 or head[:4] != MAGIC:  # noqa: PLR2004 (magic word and length)
        raise ValueError(DAMAGED)
    word = int.from_bytes(head[4:], "little")
    place, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
    data = stream.read(_padded(length))
    if len(data) < _padded(length) or place > _LAST:
        raise ValueError(DAMAGED)
    return place, data[:length]


def _padded(length: int) -> int:
    return (length + 3) & ~3


def frame(data: bytes) -> bytes:
    """The data of the one record that these bytes of a file are."""
    return next(frames(io.BytesIO(data))).data


def unpack(data: bytes) -> Record:
    """Take a record apart.

    Raises:
        ValueError: it is too short for its own header.
    """
    if len(data) < _HEADER.size:
        raise ValueError(DAMAGED)
    count, label, number, _ = _HEADER.unpack_from(data)
    start = _HEADER.size + 4 * count
    if count == 0:
        return Record(number, np.array([label], np.float32), data[start:])
    if len(data) < start:
        raise ValueError(DAMAGED)
    return Record(number, np.frombuffer(data, "<f4", count, _HEADER.size), data[start:])


def packed(number: int, labels: np.ndarray[Any, Any], photo: bytes) -> bytes:
    """A record's data, as MXNet's `pack` makes it: one label within the header, several behind."""
    if len(labels) == 1:
        return _HEADER.pack(0, labels[0], number, 0) + photo
    return _HEADER.pack(len(labels), 0, number, 0) + labels.astype("<f4").tobytes() + photo
