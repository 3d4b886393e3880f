"""What an archive holds, one member after the other, and how damage to it is told."""

from __future__ import annotations

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, Protocol, TypeAlias

from contracts import DatasetError
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Kind: TypeAlias = Literal["file", "folder", "link", "hard link", "device or pipe", "unknown"]

CHUNK = 1 << 20
"""Bytes read at once."""

_MISREAD = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, ValueError, ArithmeticError, LookupError, RuntimeError),
)
"""What the standard library's readers raise on damaged archives (RuntimeError takes in both
NotImplementedError and RecursionError)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file, folder or something else in an archive.

    Attributes:
        name: As the archive says, with `/`; not to be trusted.
        kind: Whether it is a file, a folder or which of the things that are not unpacked.
        size: Bytes that the archive promises; not to be trusted.
        chunks: Reads a file's content; it raises DatasetError where the archive is damaged.
    """

    name: str
    kind: Kind
    size: int
    chunks: Callable[[], Iterator[bytes]]


class Archive(Protocol):
    """An archive that is open."""

    @property
    def unpacked_bytes(self) -> int:
        """Bytes that the content takes, by the archive's own account; 0 where it has none."""
        ...

    def position(self) -> int:
        """Where in the file the reading is, in bytes."""
        ...

    def members(self) -> Iterator[Member]:
        """Each in turn; a file's content must be read before the next is asked for.

        Raises:
            DatasetError: the archive is damaged from here on.
        """
        ...


@contextlib.contextmanager
def damage_told(path: Path, position: Callable[[], int], member: str = "") -> Iterator[None]:
    try:
        yield
    except _MISREAD as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        where = f"in {visible(member)}, " if member else ""
        raise DatasetError(
            f"{visible(path)}: damaged {where}at byte {position():,}: {visible(reason)}",
            hint="copy or download it again; `unzip -t` or `tar -tf` tells whether it is whole",
        ) from error


def whole(content: IO[bytes], size: int) -> Iterator[bytes]:
    """The content in chunks; that it ends too early is damage too, and zipfile does not say so."""
    remaining = size
    while chunk := content.read(CHUNK):
        remaining -= len(chunk)
        yield chunk
    if remaining:
        raise EOFError(f"{size - remaining:,} bytes, expected {size:,}")
