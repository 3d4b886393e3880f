"""RecordIO's framing, in which Pipe mode wraps what is in no record yet."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from infra.sagemaker.object_store import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = struct.pack("<I", 0xCED7230A)
MAX_RECORD_BYTES = 2**29 - 1
"""A length has 29 bits; the three above them say which part of a record it is."""

_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


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
