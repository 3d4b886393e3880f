"""A folder of category folders: which photos there are, and what was left out and why."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import MAX_PHOTO_BYTES, DatasetError
from photo import STORED_FORMATS, looks_like_photo
from recordio_prep.sources.positioned import open_regular
from recordio_prep.sources.source import (
    ClassesThatOccur,
    FlatCategories,
    LeftOut,
    Photo,
    SingleLabel,
    is_listable,
    normalised,
    printable,
)
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_prep.sources.source import Entry

PHOTO_EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "dib", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "avif", "heic", "heif", "jp2", "j2k", "jpx", "psd", "ico"),
        *("icns", "cur", "dds", "qoi", "pcx", "dcx", "sgi", "ras", "xbm", "xpm", "msp", "blp"),
        "jxl",
    )
)
"""Names that promise a photo; of those that cannot be read, each is listed as unreadable.

A file of any other name is a photo if its first bytes say so.
"""

_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Folders(ClassesThatOccur, SingleLabel, FlatCategories):
    """`root/<category>/...`: a photo belongs to the top folder that it lies in, however deep.

    Attributes:
        root: The folder of category folders.
        may_lack: Whether a category folder may hold no photo.
    """

    root: Path
    may_lack: bool = False

    @property
    def name(self) -> str:
        return str(self.root)

    def entries(self) -> Iterator[Entry]:
        """The photos and the rest, a folder at a time, each by name.

        Raises:
            DatasetError: no such folder, one that cannot be read, or a category without photos.
        """
        bare = set(map(normalised, _categories(self.root)))
        for entry in _walk(self.root):
            if isinstance(entry, Photo):
                bare.difference_update(entry.categories)
            yield entry
        if bare and not self.may_lack:
            raise DatasetError(
                f"{self.root}: no photo in category {', '.join(map(visible, sorted(bare)))};"
                f" formats: {', '.join(STORED_FORMATS)}",
                hint="add photos to it, or remove the folder",
            )

    def read(self, locator: str) -> bytes:
        """The file's bytes.

        Raises:
            OSError: it cannot be read.
        """
        with os.fdopen(open_regular(self.root / locator), "rb") as file:
            # To ask for a photo's largest size makes room for it first: three times the time.
            size = os.fstat(file.fileno()).st_size
            return file.read(min(size, MAX_PHOTO_BYTES) + 1)


def _categories(root: Path) -> tuple[str, ...]:
    return tuple(
        sorted(entry.name for entry in _entries(root) if _is_folder(entry) and entry.name[0] != ".")
    )


def _walk(root: Path) -> Iterator[Entry]:
    """Every file under `root`, links followed."""
    categories = []
    for entry in _entries(root):
        found = _no_folder(entry, entry.name)
        if found:
            yield found
        else:
            categories.append(Path(entry.path))
    for folder in categories:
        yield from _walk_category(root, folder)


def _walk_category(root: Path, category: Path) -> Iterator[Entry]:
    """Every file of a category, each folder once, however many links lead to it.

    Links are followed when the category's own folders are done, so that a photo bears the name of
    its own folder where that lies in the category too.
    """
    listed = {_identity(root): ""}
    folders, links = [(category, category.name)], deque[tuple[Path, str]]()
    while folders or links:
        folder, path = folders.pop() if folders else links.popleft()
        first = listed.setdefault(_identity(folder), path)
        if first != path:
            yield LeftOut(printable(path), _listed_already(folder, path, first), photo=False)
            continue
        inner: list[tuple[Path, str]] = []
        for entry in _entries(folder):
            found = _no_folder(entry, f"{path}/{entry.name}")
            if found:
                yield found
            else:
                place = (Path(entry.path), f"{path}/{entry.name}")
                (links if entry.is_symlink() else inner).append(place)
        folders += reversed(inner)  # the first is taken next


def _listed_already(folder: Path, path: str, first: str) -> str:
    if not first or path.startswith(f"{first}/"):
        return "a link to a folder above it"
    kind = "a link to a folder" if folder.is_symlink() else "a folder"
    return f"{kind} that was listed already ({printable(first)})"


def _no_folder(entry: os.DirEntry[str], path: str) -> Entry | None:
    """What a file is, or something hidden; None for a folder."""
    if entry.name.startswith("."):
        return LeftOut(printable(path), "hidden", photo=False)
    return None if _is_folder(entry) else _file(entry, path)


def _file(entry: os.DirEntry[str], path: str) -> Entry:
    promised = Path(entry.name).suffix.lower() in PHOTO_EXTENSIONS
    try:
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            return LeftOut(printable(path), "not a regular file", photo=promised)
        if not promised and not _sniffed(entry):
            return LeftOut(printable(path), "not a photo", photo=False)
    except OSError as error:
        return LeftOut(printable(path), error.strerror or "cannot be read", photo=promised)
    category, slash, _ = path.partition("/")
    if not slash:
        return LeftOut(printable(path), "lies beside the category folders", photo=True)
    if not is_listable(path):
        return LeftOut(printable(path), "a name that .lst cannot hold", photo=True)
    return Photo(path, (normalised(category),), status.st_size, str(status.st_mtime_ns), path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; as a file it is listed with the system's reason
        return False


def _sniffed(entry: os.DirEntry[str]) -> bool:
    with Path(entry.path).open("rb") as file:
        return looks_like_photo(file.read(_SIGNATURE_BYTES))


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
            f"{visible(folder)}: {error.strerror}, expected a folder of category folders",
            hint="check the path and its permissions",
        ) from error
