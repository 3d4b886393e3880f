"""Tar archives, plain or compressed, read from start to end."""

from __future__ import annotations

import tarfile
from typing import IO, TYPE_CHECKING, Self, cast

from recordio_prep.sources.archive_members import CHUNK, Member, damage_told, whole
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recordio_prep.sources.archive_members import Kind

_BLOCK = tarfile.BLOCKSIZE
_MAX_PADDING = 64 << 20
"""Zeros after a tar's end; the largest blocks that tapes are written in are far below."""

_MAX_NAME_HEADER = 1 << 20
"""Bytes of a tar header that holds long names: what is larger is there to fill the memory."""

_NAME_HEADERS = b"LKxgX"
"""Types of tar header that describe the next one (GNU tar's, POSIX pax's and Solaris's)."""


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
        with damage_told(self._path, self.position):
            while (entry := self._tar.next()) is not None:
                if entry.size < 0:
                    raise tarfile.ReadError(f"{entry.size} bytes in {visible(entry.name)}")
                yield Member(entry.name, _tar_kind(entry), entry.size, self._reader(entry))
                self._tar.members.clear()  # type: ignore[attr-defined] # else the list grows with the archive
            yield from self._after_the_end()

    def _reader(self, entry: tarfile.TarInfo) -> Callable[[], Iterator[bytes]]:
        def chunks() -> Iterator[bytes]:
            with damage_told(self._path, self.position, entry.name):
                content = cast("IO[bytes]", self._tar.extractfile(entry))
                with content:
                    yield from whole(content, entry.size)

        return chunks

    def _after_the_end(self) -> Iterator[Member]:
        """Read on, for a compressed stream's checksum stands last; what is not padding is told."""
        padding = 0
        while chunk := self._stream.read(CHUNK):
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
