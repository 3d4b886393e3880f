"""MXRecordIO files, written and read as MXNet's `recordio.MXIndexedRecordIO` does, byte for byte.

A record is one or more parts: magic word, a word of 3 flag bits and 29 length bits, the bytes,
zeros up to a multiple of four. Bytes that hold the magic word at a multiple of four are split
there, and the word left out (dmlc-core, `src/recordio.cc`). The record's bytes are an `IRHeader`
and the encoded photo (MXNet, `python/mxnet/recordio.py`).
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from contracts import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAGIC = struct.pack("<I", 0xCED7230A)
_PART = struct.Struct("<4sI")
_HEADER = struct.Struct("<IfQQ")
_LABEL_BYTES = 4
_ALIGNMENT = 4
_LENGTH_BITS = 29
_MAX_LENGTH = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)

_HINT = "prepare the photos again: `snapshelf prepare PHOTOS --out RECORDS`"


@dataclass(frozen=True, slots=True)
class IRHeader:
    """What stands before each photo in a record.

    Attributes:
        labels: The class index, or several numbers in a multi-label record.
        index: The photo's number, the same as in `.lst` and `.idx`.
    """

    labels: tuple[float, ...]
    index: int


class RecordWriter:
    """Writes a `.rec` file and the `.idx` beside it (`index<TAB>offset` by line).

    Attributes:
        bytes: Written to the `.rec` so far.
        digest: SHA-256 over them.
    """

    def __init__(self, rec: Path, idx: Path) -> None:
        self.bytes = 0
        self.digest = hashlib.sha256()
        with ExitStack() as files:
            self._rec = files.enter_context(rec.open("wb"))
            self._idx = files.enter_context(idx.open("w", encoding="ascii", newline="\n"))
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def append(self, index: int, label: float | Sequence[float], photo: bytes) -> int:
        """Write one photo with its class index, or several labels; returns the record's offset.

        Raises:
            RecordError: the photo is larger than the format's 29 length bits can say.
        """
        if isinstance(label, int | float):
            header = _HEADER.pack(0, label, index, 0)
        else:
            labels = struct.pack(f"<{len(label)}f", *label)
            header = _HEADER.pack(len(label), 0, index, 0) + labels
        record = header + photo
        if len(record) > _MAX_LENGTH:
            raise RecordError(f"photo {index} has {len(photo):,} bytes, expected under 512 MiB")
        offset, framed_record = self.bytes, framed(record)
        self._rec.write(framed_record)
        self.digest.update(framed_record)
        self.bytes += len(framed_record)
        self._idx.write(f"{index}\t{offset}\n")
        return offset

    def close(self) -> None:
        """Flush both files to the disk itself, so that a later rename cannot outrun them."""
        with self._files:
            for file in (self._rec, self._idx):
                if not file.closed:
                    file.flush()
                    os.fsync(file.fileno())


def framed(record: bytes) -> bytes:
    """The record's bytes as they stand in the file: magic words, lengths and padding included."""
    cuts = list(_aligned_magic_words(record))
    starts = [0, *(cut + len(MAGIC) for cut in cuts)]
    ends = [*cuts, len(record)]
    flags = [_FIRST, *[_MIDDLE] * (len(cuts) - 1), _LAST] if cuts else [_WHOLE]
    parts = bytearray()
    for flag, start, end in zip(flags, starts, ends, strict=True):
        parts += _PART.pack(MAGIC, flag << _LENGTH_BITS | end - start)
        parts += record[start:end]
    return bytes(parts + bytes(-len(record) % _ALIGNMENT))


def _aligned_magic_words(record: bytes) -> Iterator[int]:
    position = record.find(MAGIC)
    while position >= 0:
        if position % _ALIGNMENT == 0:
            yield position
        position = record.find(MAGIC, position + 1)


def read_records(path: Path) -> Iterator[tuple[IRHeader, bytes]]:
    """Read a `.rec` file record by record, in the file's order: the header and the photo's bytes.

    Raises:
        RecordError: the file cannot be opened, or is damaged (with the offset).
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}", hint=_HINT) from error
    with file:
        while True:
            offset = file.tell()
            try:
                record = _read_record(file)
                if record is None:
                    return
                entry = _unpack(record)
            except (struct.error, ValueError) as error:
                raise RecordError(f"{path}: at byte {offset}: {error}", hint=_HINT) from error
            yield entry


def read_photo(path: Path, offset: int) -> bytes:
    """The photo's bytes of the record at `offset`, as `.idx` gives it.

    Raises:
        RecordError: as `read_records`.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return _unpack(_read_record(file) or b"")[1]
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}", hint=_HINT) from error
    except (struct.error, ValueError) as error:
        raise RecordError(f"{path}: at byte {offset}: {error}", hint=_HINT) from error


def _read_record(file: IO[bytes]) -> bytes | None:
    parts: list[bytes] = []
    while True:
        start = file.read(_PART.size)
        if not start and not parts:
            return None
        if len(start) < _PART.size:
            raise ValueError("the file ends inside a record")
        magic, word = _PART.unpack(start)
        if magic != MAGIC:
            raise ValueError(f"{magic.hex()}, expected the magic word {MAGIC.hex()}")
        flag, length = word >> _LENGTH_BITS, word & _MAX_LENGTH
        if flag not in ((_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)):
            raise ValueError(f"part flag {flag} out of turn")
        part = file.read(length)
        padding = file.read(-length % _ALIGNMENT)
        if len(part) + len(padding) < length + -length % _ALIGNMENT:
            raise ValueError("the file ends inside a record")
        parts.append(part)
        if flag in (_WHOLE, _LAST):
            return MAGIC.join(parts)


def _unpack(record: bytes) -> tuple[IRHeader, bytes]:
    count, label, index, _ = _HEADER.unpack_from(record)
    start = _HEADER.size + count * _LABEL_BYTES
    if len(record) < start:
        raise ValueError(f"{count} labels in a record of {len(record)} bytes")
    labels = struct.unpack_from(f"<{count}f", record, _HEADER.size) if count else (label,)
    return IRHeader(labels=labels, index=index), record[start:]
