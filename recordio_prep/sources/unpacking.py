"""Writes an archive's members below a folder, and trusts none of their names and sizes."""

from __future__ import annotations

import contextlib
import errno
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.sources.folders import PHOTO_EXTENSIONS
from recordio_prep.sources.source import LeftOut, is_listable
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recordio_prep.sources.archive_members import Member

MACOS_NOTES = "__MACOSX"
"""The folder that macOS puts beside everyone's files; as a category it would hold no photo."""

_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 1024
_MAX_DEPTH = 64
"""Names are 255 bytes on all of Linux's file systems; of 4,096 for a path (PATH_MAX) the folder
that is unpacked into takes its share."""

_OTHER_KINDS = {
    "link": "a link; `tar -h` packs what it leads to",
    "hard link": "a hard link; `tar --hard-dereference` packs the file itself",
    "device or pipe": "a device or a pipe",
    "unknown": "more data; a second archive?",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_UNFIT_NAME = frozenset(
    (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
)
"""What a file system answers to a name that it cannot take; else the disk is at fault."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where an archive is taken for a bomb.

    Attributes:
        members: Files, folders and all else.
        unpacked_bytes: Of all files.
        ratio: Unpacked bytes for one of the archive. Photos hardly compress; deflate reaches 1,032
            at its best, with zeros.
        ratio_from: Unpacked bytes up to which the ratio does not matter.
    """

    members: int = 2_000_000
    unpacked_bytes: int = 2 << 40
    ratio: int = 200
    ratio_from: int = 100 << 20

    def bytes_allowed(self, archive_bytes: int) -> int:
        """How much may come out of an archive of that size."""
        return min(self.unpacked_bytes, max(self.ratio_from, self.ratio * archive_bytes))


class RefusalError(Exception):
    """A member that is left out, and why."""


class Unpacker:
    """Unpacks members below `target`, an empty folder of its own, and keeps the books.

    Attributes:
        files: Written so far.
        unpacked_bytes: Of those files.
        left_out: The members that were refused, `__MACOSX` once for all that is in it.
    """

    def __init__(
        self, archive: Path, target: Path, limits: Limits, progress: Callable[[], None]
    ) -> None:
        self._name, self._target, self._limits = visible(archive), target, limits
        self._bytes_allowed = limits.bytes_allowed(archive.stat().st_size)
        self._progress = progress
        self._members = 0
        self.files = 0
        self.unpacked_bytes = 0
        self.left_out: dict[LeftOut, None] = {}

    def promise(self, unpacked_bytes: int) -> None:
        """Check what an archive says of itself before anything is written.

        Raises:
            DatasetError: so much will not be unpacked.
        """
        if unpacked_bytes > self._bytes_allowed:
            raise DatasetError(
                f"{self._name}: unpacks to more than {self._bytes_allowed:,} bytes, far more than"
                " an archive of photos of its size",
                hint="if it is no decompression bomb, unpack it yourself, and give the folder",
            )

    def unpack(self, member: Member) -> None:
        """Write a member, or list it with the reason why not.

        Raises:
            DatasetError: a limit is exceeded, or the archive is damaged.
            OSError: the disk is full or broken.
        """
        self._members += 1
        if self._members > self._limits.members:
            raise DatasetError(
                f"{self._name}: more than {self._limits.members:,} files and folders",
                hint="if it is no decompression bomb, unpack it yourself, and give the folder",
            )
        try:
            self._write(member)
        except RefusalError as refusal:
            self.left_out[_left_out(member, str(refusal))] = None

    def _write(self, member: Member) -> None:
        path = self._target.joinpath(*_checked_parts(member))
        with _name_refused():
            if member.kind == "folder":
                path.mkdir(parents=True, exist_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")  # x: what is there, a link too, is never written to
        with file:
            self.promise(self.unpacked_bytes + member.size)
            for chunk in member.chunks():
                self.unpacked_bytes += len(chunk)
                self.promise(self.unpacked_bytes)  # again, for a size may be a lie
                file.write(chunk)
                self._progress()
        self.files += 1


@contextlib.contextmanager
def _name_refused() -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise RefusalError("the archive holds this name already") from error
    except OSError as error:
        if error.errno in _UNFIT_NAME:
            raise RefusalError(error.strerror) from error
        raise


def _checked_parts(member: Member) -> tuple[str, ...]:
    """The folders and the name that a member may have below a folder.

    Raises:
        RefusalError: it is neither file nor folder, or its name is not one to write to.
    """
    name = member.name
    parts = PurePosixPath(name).parts
    if member.kind not in {"file", "folder"}:
        raise RefusalError(_OTHER_KINDS[member.kind])
    if parts[:1] == (MACOS_NOTES,):
        raise RefusalError("macOS's notes on the other files")
    if name.startswith("/") or ".." in parts or _DRIVE.match(name):
        raise RefusalError("leads outside the archive")
    if _CONTROL.search(name):
        raise RefusalError("a name with control characters")
    if not is_listable(name):
        raise RefusalError("a name that is not UTF-8")
    if not parts and member.kind == "file":
        raise RefusalError("no name")
    if _too_long(parts):
        raise RefusalError("a name that is too long")
    return parts


def _too_long(parts: tuple[str, ...]) -> bool:
    sizes = [len(part.encode()) for part in parts]
    return (
        len(sizes) > _MAX_DEPTH
        or max(sizes, default=0) > _MAX_NAME_BYTES
        or sum(sizes) + len(sizes) > _MAX_PATH_BYTES
    )


def _left_out(member: Member, reason: str) -> LeftOut:
    path = PurePosixPath(member.name)
    if path.parts[:1] == (MACOS_NOTES,):
        return LeftOut(MACOS_NOTES, reason, photo=False)
    hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    promised = path.suffix.lower() in PHOTO_EXTENSIONS or member.kind == "unknown"
    return LeftOut(visible(member.name), reason, photo=promised and not hidden)
