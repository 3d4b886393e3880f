"""A file that holds many photos: opened with a reason if it fails, read at positions by workers."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
import weakref
from typing import TYPE_CHECKING, BinaryIO

from contracts import DatasetError, PhotoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OPEN_FILES = 16
_NUMBER = re.compile(r"[0-9]{1,18}")


@contextlib.contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """The regular file, to be read from its start.

    Raises:
        DatasetError: it cannot be opened, or read inside the block.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            yield file
    except OSError as error:
        raise DatasetError(
            f"{path}: {error.strerror or error}", hint="check the path and its permissions"
        ) from error


def open_regular(path: Path) -> int:
    """A descriptor of a regular file; a pipe in its place is refused, not waited for.

    Raises:
        OSError: it cannot be opened, or is none.
    """
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file")
    return number


def file_version(file: BinaryIO) -> str:
    """Differs where the bytes may: time of the last change in nanoseconds, and size."""
    status = os.fstat(file.fileno())
    return f"{status.st_mtime_ns}-{status.st_size}"


def read_at(path: Path, offset: int, length: int) -> bytes:
    """The bytes at `offset`, fewer than `length` where the file ends before.

    Each process opens a file once and never moves its position, which forked processes share. A
    file that took another's place is opened anew.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    return os.pread(_held(path, status.st_dev, status.st_ino).number, length, offset)


def positions(locator: str, *names: str) -> list[int]:
    """The numbers of a locator such as `<offset>:<length>`, one for each name.

    Raises:
        PhotoError: it holds something else.
    """
    fields = locator.split(":")
    if len(fields) != len(names) or not all(map(_NUMBER.fullmatch, fields)):
        raise PhotoError(f"locator {locator!r}, expected {':'.join(f'<{name}>' for name in names)}")
    return [int(field) for field in fields]


class _Descriptor:
    """A file held open until the last one who reads it lets go."""

    def __init__(self, path: Path) -> None:
        self.number = open_regular(path)
        weakref.finalize(self, os.close, self.number)


@functools.lru_cache(maxsize=_OPEN_FILES)
def _held(path: Path, _device: int, _inode: int) -> _Descriptor:
    return _Descriptor(path)
