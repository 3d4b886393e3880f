"""Zip archives, read by their central directory."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from typing import IO, TYPE_CHECKING, Self

from contracts import DatasetError
from recordio_prep.sources.archive_members import Member, damage_told, whole
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recordio_prep.sources.archive_members import Kind

_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OTHER_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}
_ZIP_UTF8 = 0x800


class ZipArchive:
    """A zip, read by its central directory."""

    def __init__(self, path: Path, raw: IO[bytes]) -> None:
        self._path, self._raw = path, raw
        self._zip = zipfile.ZipFile(raw)
        self.unpacked_bytes = sum(entry.file_size for entry in self._zip.infolist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._zip.close()

    def position(self) -> int:
        """See Archive."""
        return self._raw.tell()

    def members(self) -> Iterator[Member]:
        """See Archive; one entry that cannot be read at all refuses the archive before the rest."""
        entries = self._zip.infolist()
        for entry in entries:
            self._check(entry)
        for entry in entries:
            name = _zip_name(entry)
            yield Member(name, _zip_kind(entry, name), entry.file_size, self._reader(entry, name))

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = visible(_zip_name(entry))
        if entry.flag_bits & _ENCRYPTED:
            raise DatasetError(
                f"{visible(self._path)}: {name} is encrypted",
                hint="unpack it with `7z x`, which asks for the password, and give the folder",
            )
        if entry.compress_type not in _METHODS:
            method = _OTHER_METHODS.get(entry.compress_type, entry.compress_type)
            raise DatasetError(
                f"{visible(self._path)}: {name} is compressed by the method {method}, expected"
                " store, deflate, bzip2 or lzma",
                hint="unpack it with `7z x`, and give the folder",
            )

    def _reader(self, entry: zipfile.ZipInfo, name: str) -> Callable[[], Iterator[bytes]]:
        def chunks() -> Iterator[bytes]:
            with damage_told(self._path, self.position, name), self._zip.open(entry) as content:
                yield from whole(content, entry.file_size)

        return chunks


def _zip_name(entry: zipfile.ZipInfo) -> str:
    r"""The name in UTF-8 where it is that, marked or not, else in the format's own code page 437.

    `\` separates folders: the format (APPNOTE 4.4.17.1) wants `/`, but not all writers knew.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _ZIP_UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _zip_kind(entry: zipfile.ZipInfo, name: str) -> Kind:
    """By the Unix mode where the writer left one."""
    form = stat.S_IFMT(entry.external_attr >> 16)
    if stat.S_ISLNK(form):
        return "link"
    if form and not (stat.S_ISREG(form) or stat.S_ISDIR(form)):
        return "device or pipe"
    return "folder" if name.endswith("/") else "file"
