"""Zip and tar archives as members one after the other, whatever the file is called."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, Protocol, Self, TypeAlias, cast

from contracts import DatasetError
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMATS = "zip, tar, tar.gz, tar.bz2, tar.xz"

Kind: TypeAlias = Literal["file", "folder", "link", "hard link", "device or pipe", "unknown"]

_CHUNK = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_MAX_PADDING = 64 << 20
"""Zeros after a tar's end; the largest blocks that tapes are written in are far below."""

_MAX_NAME_HEADER = 1 << 20
"""Bytes of a tar header that holds long names: what is larger is there to fill the memory."""

_NAME_HEADERS = b"LKxgX"
"""Types of tar header that describe the next one (GNU tar's, POSIX pax's and Solaris's)."""

_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OTHER_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}
_ZIP_UTF8 = 0x800

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
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive of any format that its first bytes tell.

    Raises:
        DatasetError: it cannot be read, is none of FORMATS, is encrypted or damaged.
    """
    with contextlib.ExitStack() as files:
        try:
            raw = files.enter_context(path.open("rb"))
            start = raw.read(_BLOCK)
            raw.seek(0)
        except OSError as error:
            raise DatasetError(
                f"{visible(path)}: {error.strerror}, expected an archive ({FORMATS})",
                hint="check the path and its permissions",
            ) from error
        with _damage_told(path, raw.tell):
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


@contextlib.contextmanager
def _damage_told(path: Path, position: Callable[[], int], member: str = "") -> Iterator[None]:
    try:
        yield
    except _MISREAD as error:
        reason = getattr(error, "strerror", None) or str(error) or "it ends too early"
        where = f"in {visible(member)}, " if member else ""
        raise DatasetError(
            f"{visible(path)}: damaged {where}at byte {position():,}: {visible(reason)}",
            hint="copy or download it again; `unzip -t` or `tar -tf` tells whether it is whole",
        ) from error


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
            with _damage_told(self._path, self.position, name), self._zip.open(entry) as content:
                yield from _whole(content, entry.file_size)

        return chunks


def _whole(content: IO[bytes], size: int) -> Iterator[bytes]:
    """The content in chunks; that it ends too early is damage too, and zipfile does not say so."""
    remaining = size
    while chunk := content.read(_CHUNK):
        remaining -= len(chunk)
        yield chunk
    if remaining:
        raise EOFError(f"{size - remaining:,} bytes, expected {size:,}")


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


class TarArchive:
    """A tar, plain or compressed, read from start to end."""

    def __init__(self, path: Path, raw: IO[bytes], stream: IO[bytes]) -> None:
        self._path, self._raw, self._stream = path, raw, stream
        self._tar = tarfile.open(  # noqa: SIM115 - it lives as long as this object
            fileobj=stream, mode="r:", encoding="utf-8", tarinfo=_CheckedTarInfo
        )
        self.unpacked_bytes = path.stat().st_size if stream is raw else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._tar.close()
        self._stream.close()

    def position(self) -> int:
        """See Archive."""
        return self._raw.tell()

    def members(self) -> Iterator[Member]:
        """See Archive."""
        with _damage_told(self._path, self.position):
            while (entry := self._tar.next()) is not None:
                if entry.size < 0:
                    raise tarfile.ReadError(f"{entry.size} bytes in {visible(entry.name)}")
                yield Member(entry.name, _tar_kind(entry), entry.size, self._reader(entry))
                self._tar.members.clear()  # type: ignore[attr-defined] # else the list grows with the archive
            yield from self._after_the_end()

    def _reader(self, entry: tarfile.TarInfo) -> Callable[[], Iterator[bytes]]:
        def chunks() -> Iterator[bytes]:
            with _damage_told(self._path, self.position, entry.name):
                content = cast("IO[bytes]", self._tar.extractfile(entry))
                with content:
                    yield from _whole(content, entry.size)

        return chunks

    def _after_the_end(self) -> Iterator[Member]:
        """Read on, for a compressed stream's checksum stands last; what is not padding is told."""
        padding = 0
        while chunk := self._stream.read(_CHUNK):
            padding += len(chunk)
            if any(chunk):
                yield Member("(after the end of the archive)", "unknown", 0, lambda: iter(()))
                return
            if padding > _MAX_PADDING:
                raise tarfile.ReadError("nothing but zeros after the end")


def _tar_kind(entry: tarfile.TarInfo) -> Kind:
    if entry.isfile():
        return "file"
    if entry.isdir():
        return "folder"
    if entry.issym():
        return "link"
    return "hard link" if entry.islnk() else "device or pipe"


class _CheckedTarInfo(tarfile.TarInfo):
    """A header that tells damage: tarfile takes a broken one for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if buf == bytes(_BLOCK):  # the proper end
            return super().frombuf(buf, encoding, errors)
        try:
            entry = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error}, expected a tar header") from error
        if entry.size < 0 or (entry.type in _NAME_HEADERS and entry.size > _MAX_NAME_HEADER):
            raise tarfile.ReadError(f"a header of {entry.size:,} bytes")
        return entry
