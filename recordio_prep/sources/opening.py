"""From what a person gives, a path or an address, to the source that it means."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.sources.folders import PHOTO_EXTENSIONS, Folders
from recordio_prep.sources.lines import read_lines
from recordio_prep.sources.positioned import opened_file
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from recordio_prep.sources.source import Entry, LeftOut, Source

FORMATS = ("folders", "lst", "links", "bson", "idx", "pixels", "archive", "s3")
"""What `--format` can be; each is told by path and content where it is not given."""

_S3 = "s3://"
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst)|7z|rar)$", re.IGNORECASE)
_IDX_PICTURES = re.compile(r"images[-.]idx3-ubyte(\.gz)?$")
_NAMED = (
    (_ARCHIVE, "archive"),
    (_IDX_PICTURES, "idx"),
    (re.compile(r"\.lst$"), "lst"),
    (re.compile(r"\.bson$"), "bson"),
    (re.compile(r"\.[ct]sv$", re.IGNORECASE), "links"),
)
"""Files by name; a table of links may turn out one of pixels."""

_MARKETPLACE_LIST = "data.csv"
_MIN_PIXEL_COLUMNS = 17
_CACHE_DIGITS = 16
_CATEGORY_TABLES = ("category_names.csv", "categories_with_idx.csv")


@dataclass(frozen=True, slots=True)
class Opening:
    """How a source is to be understood; what is None is found out.

    Attributes:
        cache: A folder for what is fetched and unpacked, kept for the next run.
        format: One of FORMATS.
        root: What the paths of a `.lst` are relative to; its own folder if None.
        class_names: Names in label order, for lists and tables of numbers.
        category_table: The category tree of a BSON file, as CSV.
        labels: The labels of an IDX file of pictures, if they are not beside it.
        allow_private: Whether links may lead to this machine or its own network.
        retry_failed: Whether links are tried again that failed for good in an earlier run.
        may_lack: Whether a category folder may be empty, and labels without names have gaps: as
            where only a part of the photos is meant.
    """

    cache: Path
    format: str | None = None
    root: Path | None = None
    class_names: tuple[str, ...] | None = None
    category_table: Path | None = None
    labels: Path | None = None
    allow_private: bool = False
    retry_failed: bool = False
    may_lack: bool = False


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The source within an archive, and what of the archive was not unpacked."""

    archive: str
    inner: Source
    refused: tuple[LeftOut, ...]

    @property
    def name(self) -> str:
        return self.archive

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.inner.classes

    @property
    def multi_label(self) -> bool:
        return self.inner.multi_label

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        return self.inner.tree

    def entries(self) -> Iterator[Entry]:
        yield from self.refused
        yield from self.inner.entries()

    def read(self, locator: str) -> bytes:
        return self.inner.read(locator)


def open_source(address: str, opening: Opening) -> Source:
    """The source at a path, or an address `s3://bucket/...`.

    A folder is one of category folders, or the marketplace's of `data.csv` lists; without folders
    in it, it may hold one file of another format. A file is told by its name: `.lst`, `.bson`,
    `...images-idx3-ubyte[.gz]`, `.csv` and `.tsv` of links or of pixels, archives by their content.
    An object of S3 with such a name is fetched; any other address is a prefix of category folders.

    Raises:
        DatasetError: there is no such thing, it cannot be told what it is, or it, or the cache,
            cannot be used.
    """
    try:
        return _OPENERS[opening.format or _told_format(address)](address, opening)
    except OSError as error:
        raise DatasetError(
            f"{visible(error.filename or address)}: {error.strerror or error}",
            hint="check the path and its permissions",
        ) from error


def _told_format(address: str) -> str:
    if address.startswith(_S3):
        return "s3"
    path = Path(address)
    if path.is_dir():
        return "links" if _lists_of_links(path) else "folders"
    told = _format_of_file(path)
    if told is None:
        raise DatasetError(
            f"{address}: {_what_is_wrong(path)}",
            hint="give a folder of category folders, a .lst, .csv, .bson or IDX file, an archive,"
            " or s3://bucket/prefix/; or say --format",
        )
    return told


def _format_of_file(path: Path) -> str | None:
    """By its name; a table's by its first line too."""
    if not path.is_file():
        return None
    told = (name for pattern, name in _NAMED if pattern.search(path.name))
    found = next(told, None)
    return "pixels" if found == "links" and _is_table_of_pixels(path) else found


def _what_is_wrong(path: Path) -> str:
    if not path.exists():
        return "No such file or directory"
    if not path.is_file():
        return "not a regular file"
    if path.suffix.lower() in PHOTO_EXTENSIONS:
        return "one photo, expected many"
    return "not a known kind of source"


def _is_table_of_pixels(path: Path) -> bool:
    with opened_file(path) as file:
        line = next(iter(read_lines(file)), None)
    return line is not None and (line.text or b"").count(b",") >= _MIN_PIXEL_COLUMNS


def _lists_of_links(folder: Path) -> bool:
    """Whether it is the marketplace's layout: each category folder holds a list of links."""
    folders = [path for path in folder.iterdir() if path.name[0] != "." and _is_folder(path)]
    return bool(folders) and all((path / _MARKETPLACE_LIST).is_file() for path in folders)


def _only_file(folder: Path) -> Path | None:
    """The one file that is a source by its name, in a folder that holds no folders."""
    visible = [path for path in folder.iterdir() if path.name[0] != "."]
    if any(map(_is_folder, visible)):
        return None
    tables = set(_CATEGORY_TABLES)
    found = [path for path in visible if path.name not in tables and _format_of_file(path)]
    return found[0] if len(found) == 1 else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link to where nobody may look: the reader of folders lists it
        return False


def _open_folders(address: str, opening: Opening) -> Source:
    folder = Path(address)
    only = _only_file(folder) if folder.is_dir() and opening.format is None else None
    if only is not None:
        return open_source(str(only), opening)
    return Folders(folder, may_lack=opening.may_lack)


def _open_listing(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.listing import Listing

    path = Path(address)
    return Listing.opened(
        path,
        opening.root or path.parent,
        names=opening.class_names,
        may_lack=opening.may_lack,
    )


def _open_links(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.download_settings import DownloadSettings
    from recordio_prep.sources.links import Links

    settings = DownloadSettings(allow_private=opening.allow_private)
    return Links.find(
        Path(address),
        cache=_cache(address, opening),
        settings=settings,
        retry_failed=opening.retry_failed,
    )


def _open_bson(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.cdiscount import Cdiscount

    path = Path(address)
    beside = (path.with_name(name) for name in _CATEGORY_TABLES)
    table = opening.category_table or next((one for one in beside if one.is_file()), None)
    return Cdiscount(path, table)


def _open_idx(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.idx import Idx

    return Idx.opened(
        Path(address),
        _cache(address, opening),
        labels=opening.labels,
        names=opening.class_names,
        may_lack=opening.may_lack,
    )


def _open_pixels(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.pixels import Pixels

    return Pixels.opened(Path(address), names=opening.class_names, may_lack=opening.may_lack)


def _open_archive(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.archive import extract, refused

    into = _cache(address, opening)
    content = extract(Path(address), into)
    lists = sorted(content.glob("*.lst"))
    # Beside photos of one's own a list may be anything; packed together with them it is theirs.
    given = lists[0] if len(lists) == 1 else content
    _check_no_archive(address, given)
    inner = open_source(str(given), replace(opening, format=None))
    return Unpacked(address, inner, refused(into))


def _check_no_archive(address: str, content: Path) -> None:
    """An archive in an archive may unpack to a multiple of a multiple, without end."""
    only = _only_file(content) if content.is_dir() else None
    if only is not None and _format_of_file(only) == "archive":
        raise DatasetError(
            f"{visible(address)}: holds another archive, {visible(only.name)}, expected photos",
            hint="unpack it first, and give the archive that is in it",
        )


def _open_s3(address: str, opening: Opening) -> Source:
    from recordio_prep.sources.idx import labels_name
    from recordio_prep.sources.s3 import S3Prefix
    from recordio_prep.sources.s3_fetch import fetch

    folder, _, name = address.rpartition("/")
    if not any(pattern.search(name) for pattern, _ in _NAMED):
        return S3Prefix(address)
    fetched = fetch(address, _cache(address, opening))
    if opening.labels is None and _IDX_PICTURES.search(name):
        labels = f"{folder}/{labels_name(name)}"
        opening = replace(opening, labels=fetch(labels, _cache(labels, opening)))
    return open_source(str(fetched), replace(opening, format=None))


def _cache(address: str, opening: Opening) -> Path:
    """A folder for this address alone."""
    identity = address if address.startswith(_S3) else os.path.realpath(address)
    return (
        opening.cache / hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16]
    )


_OPENERS: Mapping[str, Callable[[str, Opening], Source]] = {
    "folders": _open_folders,
    "lst": _open_listing,
    "links": _open_links,
    "bson": _open_bson,
    "idx": _open_idx,
    "pixels": _open_pixels,
    "archive": _open_archive,
    "s3": _open_s3,
}
