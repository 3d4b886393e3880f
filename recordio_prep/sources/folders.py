"""Reads a folder of category folders: which photos there are, and what was left out and why."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DatasetError
from photo import FORMATS, looks_like_photo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_READABLE = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "dib", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "avif"),
    )
)
_UNREADABLE = frozenset((".heic", ".heif", ".jp2", ".jxl"))
PHOTO_EXTENSIONS = _READABLE | _UNREADABLE
"""Names that promise a photo; of those that cannot be read yet, each is listed as unreadable.

A file of any other name is a photo if its first bytes say so.
"""

_MIN_CATEGORIES = 2
_SIGNATURE_BYTES = 32
_UNLISTABLE = "\t\r\n"


@dataclass(frozen=True, slots=True)
class Photo:
    """A file that promises to be a photo.

    Attributes:
        path: Relative to the root, with `/`; it starts with the category.
        category: The top folder, however deep the photo lies.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since 1970.
    """

    path: str
    category: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not packed.

    Attributes:
        path: Relative to the root.
        reason: Why, in words.
        photo: Whether it was meant to be a photo, so that `strict` minds it.
    """

    path: str
    reason: str
    photo: bool


@dataclass(frozen=True, slots=True)
class PhotoFolder:
    """What a folder holds, photos and the rest, each sorted by path."""

    root: Path
    categories: tuple[str, ...]
    photos: tuple[Photo, ...]
    left_out: tuple[LeftOut, ...]


def read_photo_folder(root: Path, *, known: Collection[str] | None = None) -> PhotoFolder:
    """List the photos of `root/<category>/...`, in the same order on every machine.

    Args:
        root: The folder of category folders.
        known: The categories that may occur; without it, any, two at least and none empty.

    Raises:
        DatasetError: no such folder, one that cannot be read, or categories that cannot be used.
    """
    photos: list[Photo] = []
    left_out: list[LeftOut] = []
    for found in _walk(root):
        (photos if isinstance(found, Photo) else left_out).append(found)  # type: ignore[arg-type]
    folder = PhotoFolder(
        root=root,
        categories=_categories(root),
        photos=tuple(sorted(photos, key=lambda photo: photo.path)),
        left_out=tuple(sorted(left_out, key=lambda entry: entry.path)),
    )
    _check_photos(folder)
    if known is None:
        _check_own_categories(folder)
    else:
        _check_known_categories(folder, known)
    return folder


def _check_photos(folder: PhotoFolder) -> None:
    if not folder.photos:
        raise DatasetError(
            f"Found 0 photos in {folder.root}",
            hint=f"photos lie in {folder.root}/<category>/; formats: {', '.join(FORMATS)}",
        )


def _check_own_categories(folder: PhotoFolder) -> None:
    used = {photo.category for photo in folder.photos}
    empty = [category for category in folder.categories if category not in used]
    if empty:
        raise DatasetError(
            f"{folder.root}: no photo in category {', '.join(empty)}",
            hint="add photos to it, or remove the folder",
        )
    if len(used) < _MIN_CATEGORIES:
        raise DatasetError(
            f"{folder.root}: one category ({', '.join(used)}), expected at least {_MIN_CATEGORIES}",
            hint="give the folder above the category folders, and a folder to each category",
        )


def _check_known_categories(folder: PhotoFolder, known: Collection[str]) -> None:
    unknown = sorted({photo.category for photo in folder.photos} - set(known))
    if unknown:
        raise DatasetError(
            f"{folder.root}: unknown category {', '.join(unknown)},"
            f" expected some of {', '.join(sorted(known))}",
            hint="category folders must bear the same names as those that are trained on",
        )


def _categories(root: Path) -> tuple[str, ...]:
    return tuple(
        sorted(entry.name for entry in _entries(root) if _is_folder(entry) and entry.name[0] != ".")
    )


def _walk(root: Path) -> Iterator[Photo | LeftOut]:
    """Every file under `root`, links followed; a link to a folder above itself is not."""
    pending = [(root, "", frozenset((_identity(root),)))]
    while pending:
        folder, prefix, above = pending.pop()
        for entry in _entries(folder):
            path = prefix + entry.name
            if entry.name.startswith("."):
                yield LeftOut(_printable(path), "hidden", photo=False)
            elif not _is_folder(entry):
                yield _file(entry, path)
            elif (identity := _identity(Path(entry.path))) in above:
                yield LeftOut(_printable(path), "a link to a folder above it", photo=False)
            else:
                pending.append((Path(entry.path), path + "/", above | {identity}))


def _file(entry: os.DirEntry[str], path: str) -> Photo | LeftOut:
    promised = Path(entry.name).suffix.lower() in PHOTO_EXTENSIONS
    try:
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            return LeftOut(_printable(path), "not a regular file", photo=promised)
        if not promised and not _sniffed(entry):
            return LeftOut(_printable(path), "not a photo", photo=False)
    except OSError as error:
        return LeftOut(_printable(path), error.strerror or "cannot be read", photo=promised)
    category, slash, _ = path.partition("/")
    if not slash:
        return LeftOut(_printable(path), "lies beside the category folders", photo=True)
    if path != _printable(path):
        return LeftOut(_printable(path), "a name that .lst cannot hold", photo=True)
    return Photo(path, category, status.st_size, status.st_mtime_ns)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; as a file it is listed with the system's reason
        return False


def _sniffed(entry: os.DirEntry[str]) -> bool:
    with Path(entry.path).open("rb") as file:
        return looks_like_photo(file.read(_SIGNATURE_BYTES))


def _printable(path: str) -> str:
    """The path as UTF-8 text of one field: what is not is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(repr(letter)[1:-1] if letter in _UNLISTABLE else letter for letter in text)


def _identity(folder: Path) -> tuple[int, int]:
    with _worded(folder):
        status = folder.stat()
        return status.st_dev, status.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with _worded(folder), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


@contextlib.contextmanager
def _worded(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{folder}: {error.strerror}, expected a folder of category folders",
            hint="check the path and its permissions",
        ) from error
