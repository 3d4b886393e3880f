"""An archive of photos becomes a folder, safely, whole or not at all, and once."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from contracts import DatasetError
from photo import looks_like_photo
from recordio_prep.files import staging, write_atomically
from recordio_prep.sources.archive_formats import opened
from recordio_prep.sources.folders import PHOTO_EXTENSIONS
from recordio_prep.sources.source import LeftOut
from recordio_prep.sources.unpacking import Limits, Unpacker
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recordio_prep.sources.archive_members import Archive

logger = logging.getLogger(__name__)

_UNPACKED_FOLDER = "unpacked"
_CONTENT_FOLDER = "content"
_STAMP_FILE = "archive.json"
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Beside the content: which archive it is of, and what there has to be still.

    Attributes:
        archive: Path, size in bytes and time of change in nanoseconds since 1970.
        files: How many were unpacked.
        unpacked_bytes: Of all of them.
        left_out: Path, reason and `photo` of the members that were not.
    """

    archive: list[str | int]
    files: int
    unpacked_bytes: int
    left_out: list[tuple[str, str, bool]]

    @classmethod
    def load(cls, unpacked: Path) -> _Stamp | None:
        """None if there is none, or it is damaged."""
        try:
            return cls(**json.loads((unpacked / _STAMP_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def holds(self, unpacked: Path, archive: list[str | int]) -> bool:
        """Whether it is of that archive, and no file has gone or been cut since."""
        sizes = list(_file_sizes(unpacked / _CONTENT_FOLDER))
        found = (self.archive, len(sizes), sum(sizes))
        return found == (archive, self.files, self.unpacked_bytes)


def extract(archive: Path, into: Path, *, limits: Limits | None = None) -> Path:
    """Unpack a zip or tar (plain, gzip, bzip2, xz; told by its content) below the folder `into`.

    What is there of the same archive (its path, size and time of change) is kept if it is whole;
    of another one it is replaced, at the end. Nothing of a broken run is used. zstd needs Python
    3.14, and archives within the archive are not opened: both are told, none is skipped.

    Members that cannot be written safely (links, devices, names that lead elsewhere or cannot be
    kept) are left out: `refused` lists them. Of two members with one name the first stays; names
    that differ in case only are two, unless the file system takes them for one. Permissions, owners
    and times of the archive are not applied.

    Args:
        archive: The file.
        into: A folder for this archive alone, made if absent.
        limits: What is taken for a decompression bomb.

    Returns:
        The folder with the content. A folder that only wraps it is passed over: one that is the
        only visible entry beside which nothing lies, that holds folders and no photo itself
        (`photos.zip` with `photos/<category>/...` gives `photos`).

    Raises:
        DatasetError: no archive, a damaged, encrypted or empty one, a bomb, or no space.
    """
    identity = _identity(archive)
    unpacked = into / _UNPACKED_FOLDER
    if not _kept(unpacked, identity):
        with staging(into) as scratch:
            stamp = _unpack(archive, scratch, limits or Limits(), identity)
            _publish(scratch, unpacked)
        _report(archive, stamp)
    return _within_wrappers(unpacked / _CONTENT_FOLDER)


def refused(into: Path) -> tuple[LeftOut, ...]:
    """What `extract` left out of the archive, sorted by path.

    Raises:
        DatasetError: nothing has been extracted into that folder.
    """
    stamp = _Stamp.load(into / _UNPACKED_FOLDER)
    if stamp is None:
        raise DatasetError(f"{into}: no archive has been unpacked there")
    return tuple(LeftOut(path, reason, photo=photo) for path, reason, photo in stamp.left_out)


def _identity(archive: Path) -> list[str | int]:
    try:
        status = archive.stat()
    except OSError as error:
        raise DatasetError(
            f"{visible(archive)}: {error.strerror}, expected an archive", hint="check the path"
        ) from error
    return [os.fspath(archive.resolve()), status.st_size, status.st_mtime_ns]


def _kept(unpacked: Path, identity: list[str | int]) -> bool:
    stamp = _Stamp.load(unpacked)
    if stamp is None and unpacked.exists():
        raise DatasetError(
            f"{unpacked}: not a folder that an archive was unpacked into",
            hint="give another folder",
        )
    return stamp is not None and stamp.holds(unpacked, identity)


def _unpack(archive: Path, scratch: Path, limits: Limits, identity: list[str | int]) -> _Stamp:
    content = scratch / _UNPACKED_FOLDER / _CONTENT_FOLDER
    content.mkdir(parents=True)
    with opened(archive) as reader, _bar(archive) as bar:
        unpacker = Unpacker(
            archive, content, limits, lambda: bar.update(max(0, reader.position() - bar.n))
        )
        unpacker.promise(reader.unpacked_bytes)
        _check_space(archive, scratch, reader)
        for member in reader.members():
            unpacker.unpack(member)
    left_out = sorted(unpacker.left_out, key=lambda entry: (entry.path, entry.reason))
    _check_outcome(archive, identity, unpacker.files, left_out)
    stamp = _Stamp(
        identity,
        unpacker.files,
        unpacker.unpacked_bytes,
        [(entry.path, entry.reason, entry.photo) for entry in left_out],
    )
    write_atomically(content.with_name(_STAMP_FILE), json.dumps(asdict(stamp)) + "\n")
    return stamp


def _bar(archive: Path) -> tqdm:
    """How far the archive has been read."""
    return tqdm(
        total=archive.stat().st_size,
        desc=f"Unpacking {visible(archive.name)}",
        unit="B",
        unit_scale=True,
        disable=None,
    )


def _check_space(archive: Path, folder: Path, reader: Archive) -> None:
    free = shutil.disk_usage(folder).free
    if reader.unpacked_bytes > free:
        raise DatasetError(
            f"{visible(archive)}: unpacks to {reader.unpacked_bytes:,} bytes, and {free:,} are"
            f" free in {folder.parent}",
            hint="free some space, or give another folder",
        )


def _check_outcome(
    archive: Path, identity: list[str | int], files: int, left_out: list[LeftOut]
) -> None:
    if _identity(archive) != identity:
        raise DatasetError(
            f"{visible(archive)}: changed while it was read", hint="wait until it is complete"
        )
    if not files:
        first = f", the first because: {left_out[0].reason}" if left_out else ""
        raise DatasetError(
            f"{visible(archive)}: no file to unpack, {len(left_out)} left out{first}",
            hint="pack the folder of category folders",
        )


def _publish(scratch: Path, unpacked: Path) -> None:
    """Put the new folder, stamp and content at once, where that of another archive may be."""
    if unpacked.exists():
        unpacked.rename(scratch / "former")
    (scratch / _UNPACKED_FOLDER).rename(unpacked)


def _report(archive: Path, stamp: _Stamp) -> None:
    if stamp.left_out:
        path, reason, _ = stamp.left_out[0]
        logger.warning(
            "%s: left out %d members, the first: %s: %s",
            visible(archive),
            len(stamp.left_out),
            path,
            reason,
        )


def _within_wrappers(folder: Path) -> Path:
    while (wrapper := _wrapper(folder)) is not None:
        folder = wrapper
    return folder


def _wrapper(folder: Path) -> Path | None:
    """The folder that alone stands in `folder` and holds folders, but no photo itself."""
    visible_entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if len(visible_entries) != 1 or not visible_entries[0].is_dir():
        return None
    (only,) = visible_entries
    inner = [entry for entry in only.iterdir() if not entry.name.startswith(".")]
    has_folders = any(entry.is_dir() for entry in inner)
    return only if has_folders and not any(map(_is_photo, inner)) else None


def _is_photo(path: Path) -> bool:
    """By the rules of category folders: by the name, else by the first bytes."""
    if path.is_dir():
        return False
    if path.suffix.lower() in PHOTO_EXTENSIONS:
        return True
    with path.open("rb") as file:
        return looks_like_photo(file.read(_SIGNATURE_BYTES))


def _file_sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - a path object for each of 100,000 files takes longer than the file
