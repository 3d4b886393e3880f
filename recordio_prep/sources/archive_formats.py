"""Opens a zip or a tar by what its first bytes say, whatever the file is called."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import zipfile
from typing import IO, TYPE_CHECKING, cast

from contracts import DatasetError
from recordio_prep.sources.archive_members import damage_told
from recordio_prep.sources.positioned import open_regular
from recordio_prep.sources.tar_archive import TarArchive
from recordio_prep.sources.visible_text import visible
from recordio_prep.sources.zip_archive import ZipArchive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recordio_prep.sources.archive_members import Archive

FORMATS = "zip, tar, tar.gz, tar.bz2, tar.xz"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive of any format that its first bytes tell.

    Raises:
        DatasetError: it cannot be read, is none of FORMATS, is encrypted or damaged.
    """
    with contextlib.ExitStack() as files:
        try:
            raw = files.enter_context(os.fdopen(open_regular(path), "rb"))
            start = raw.read(tarfile.BLOCKSIZE)
            raw.seek(0)
        except OSError as error:
            raise DatasetError(
                f"{visible(path)}: {error.strerror}, expected an archive ({FORMATS})",
                hint="check the path and its permissions",
            ) from error
        with damage_told(path, raw.tell):
            archive = files.enter_context(_archive(path, raw, start))
        yield archive


def _archive(
    path: Path, raw: IO[bytes], start: bytes
) -> contextlib.AbstractContextManager[Archive]:
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipArchive(path, raw)
    if start.startswith(b"\x1f\x8b"):
        return TarArchive(path, raw, cast("IO[bytes]", gzip.GzipFile(fileobj=raw)))
    if start.startswith(b"BZh"):
        return TarArchive(path, raw, bz2.BZ2File(raw))
    if start.startswith(b"\xfd7zXZ\0"):
        return TarArchive(path, raw, lzma.LZMAFile(raw))
    if _begins_a_tar(start):
        return TarArchive(path, raw, raw)
    raise _unknown(path, start)


def _begins_a_tar(start: bytes) -> bool:
    """By the checksum of the first header: the oldest tars have no signature."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _unknown(path: Path, start: bytes) -> DatasetError:
    others = {
        b"\x28\xb5\x2f\xfd": ("zstd", "`zstd -d` makes a .tar of a .tar.zst"),
        b"7z\xbc\xaf\x27\x1c": ("7z", "unpack it with `7z x`, and give the folder"),
        b"Rar!\x1a\x07": ("RAR", "unpack it with `unrar x`, and give the folder"),
    }
    for signature, (name, hint) in others.items():
        if start.startswith(signature):
            return DatasetError(f"{visible(path)}: {name}, expected one of {FORMATS}", hint=hint)
    if zipfile.is_zipfile(path):
        return DatasetError(
            f"{visible(path)}: a part of a zip, or a program with a zip in it",
            hint="`zip -s 0 IN.zip --out WHOLE.zip` makes one of the parts",
        )
    return DatasetError(
        f"{visible(path)}: not an archive, expected one of {FORMATS}",
        hint="`file` tells what it is",
    )
