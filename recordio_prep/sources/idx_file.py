"""One IDX file of bytes, its header checked, unpacked where it is gzipped.

The format is Yann LeCun's (MNIST's page): big-endian words - a magic number whose third byte is the
type, 8 for unsigned bytes, and whose fourth is the number of dimensions; then each dimension - and
the bytes.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import math
import os
import shutil
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from contracts import DatasetError
from recordio_prep.sources.positioned import file_version, opened_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD_BYTES = 4
_UNSIGNED_BYTES = 8
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1_048_576

_HINT = "the file is not IDX, or is damaged: fetch it again"


@dataclass(frozen=True, slots=True)
class IdxFile:
    """An IDX file that can be read at any place.

    Attributes:
        path: Not gzipped: the file itself, or what it was unpacked to.
        dimensions: The first is the number of pictures or labels.
        version: Differs where the file's bytes may.
    """

    path: Path
    dimensions: tuple[int, ...]
    version: str

    @property
    def start(self) -> int:
        """Where the bytes begin behind the header."""
        return _header_bytes(len(self.dimensions))


def opened_idx(path: Path, scratch: Path, *, dimensions: int) -> IdxFile:
    """Check a file's header and size; unpack it once if it is gzipped, whatever its name.

    What is unpacked is never more than the header says, and is kept in `scratch` for the next time.

    Args:
        path: The file.
        scratch: A folder for unpacked files; made if it is needed.
        dimensions: How many it has to have.

    Raises:
        DatasetError: it cannot be read, its header or size is wrong, it is damaged, or there is no
            room in `scratch`.
    """
    with opened_file(path) as file:
        version = file_version(file)
        gzipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with _content(path, file, gzipped=gzipped) as content:
            shape = _shape(path, content.read(_header_bytes(dimensions)), dimensions)
        size = _header_bytes(dimensions) + math.prod(shape)
        if not gzipped:
            _check_size(path, os.fstat(file.fileno()).st_size, size)
            return IdxFile(path, shape, version)
        name = hashlib.sha256(f"{path.resolve()}\0{version}".encode("utf-8", "surrogateescape"))
        target = scratch / f"{name.hexdigest()[:16]}.idx"
        if not _is_unpacked(target, size):
            with _content(path, file, gzipped=True) as content:
                _unpack(path, content, target, size)
        return IdxFile(target, shape, version)


@contextlib.contextmanager
def _content(path: Path, file: BinaryIO, *, gzipped: bool) -> Iterator[BinaryIO]:
    """The file's bytes from their start, unpacked on the way."""
    file.seek(0)
    if not gzipped:
        yield file
        return
    try:
        with gzip.GzipFile(fileobj=file) as content:
            yield cast("BinaryIO", content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path}: damaged gzip: {error}", hint=_HINT) from error


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    if len(header) < _header_bytes(dimensions):
        raise DatasetError(f"{path}: {len(header)} bytes, expected an IDX header", hint=_HINT)
    magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
    expected = _UNSIGNED_BYTES << 8 | dimensions
    if magic != expected:
        raise DatasetError(
            f"{path}: magic number 0x{magic:08x}, expected 0x{expected:08x}", hint=_HINT
        )
    return tuple(shape)


def _check_size(path: Path, size: int, expected: int) -> None:
    if size != expected:
        raise DatasetError(
            f"{path}: {size:,} bytes, expected {expected:,} as the header says", hint=_HINT
        )


def _is_unpacked(target: Path, size: int) -> bool:
    try:
        return target.is_file() and target.stat().st_size == size
    except OSError:  # told where it is written
        return False


def _unpack(path: Path, content: BinaryIO, target: Path, size: int) -> None:
    """Write the content beside the target, then rename it; one byte too many is enough to stop."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(path, target.parent, size)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as folder:
            partial = Path(folder) / target.name
            with partial.open("wb") as file:
                while chunk := content.read(min(_CHUNK_BYTES, size + 1 - file.tell())):
                    file.write(chunk)
                written = file.tell()
            if written > size:
                raise DatasetError(
                    f"{path}: more than the {size:,} bytes that its header says", hint=_HINT
                )
            _check_size(path, written, size)
            partial.replace(target)
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be unpacked into {target.parent}: {error.strerror}",
            hint="free some space, or give another folder",
        ) from error


def _check_room(path: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DatasetError(
            f"{path}: unpacked it has {size:,} bytes, and {folder} has room for {free:,}",
            hint="free some space, or give another folder",
        )


def _header_bytes(dimensions: int) -> int:
    return _WORD_BYTES * (1 + dimensions)
