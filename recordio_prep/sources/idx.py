"""Pictures in MNIST's IDX files, and Fashion-MNIST's: all in one file, their labels in another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from contracts import MAX_PHOTO_BYTES, DatasetError, PhotoError
from recordio_prep.sources.idx_file import IdxFile, opened_idx
from recordio_prep.sources.labels import class_names
from recordio_prep.sources.pgm import EXTENSION, pgm, pgm_size
from recordio_prep.sources.positioned import opened_file, positions, read_at
from recordio_prep.sources.source import FlatCategories, Photo, SingleLabel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PICTURES_NAME = re.compile(r"images([-.])idx3")
_LABELS_NAME = r"labels\1idx1"
_GZIP_EXTENSION = ".gz"
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Idx(SingleLabel, FlatCategories):
    """The pictures of one pair of IDX files, as grey PGM files `<class>/<place from 0>.pgm`.

    Attributes:
        name: The path of the file of pictures, as it was given.
        pictures: Bytes (N, height, width), 0 black.
        labels: Bytes (N,), each less than the number of classes.
        classes: In label order; a label that does not occur is a class without a photo.
    """

    name: str
    pictures: IdxFile
    labels: IdxFile
    classes: tuple[str, ...]

    @classmethod
    def opened(
        cls,
        pictures: Path,
        scratch: Path,
        *,
        labels: Path | None = None,
        names: Sequence[str] | None = None,
        may_lack: bool = False,
    ) -> Self:
        """Check both files; gzipped ones are unpacked, since gzip cannot be read at a position.

        Args:
            pictures: `*-images-idx3-ubyte` or `*-images.idx3-ubyte`, with or without `.gz`.
            scratch: Where gzipped files are unpacked, for as long as photos are read.
            labels: The other file; by default the one beside it of the usual name.
            names: The category of each label, from 0; without it they are "0", "1", ...
            may_lack: Whether some of the labels from 0 to the largest may not occur; with names
                any may.

        Raises:
            DatasetError: a file is absent, damaged or not IDX, the two do not belong together,
                labels have gaps, or `names` cannot be used.
        """
        pictures_idx = opened_idx(pictures, scratch, dimensions=3)
        labels = labels or labels_beside(pictures)
        labels_idx = opened_idx(labels, scratch, dimensions=1)
        _check_pair(pictures, pictures_idx, labels, labels_idx)
        occurring = set[int]().union(*_chunks(labels_idx))
        classes = class_names(occurring, names, source=str(labels), may_lack=may_lack)
        return cls(str(pictures), pictures_idx, labels_idx, classes)

    def entries(self) -> Iterator[Photo]:
        """Every picture, in the file's order; nothing is left out.

        Raises:
            DatasetError: the labels have changed since they were checked, or cannot be read.
        """
        _, height, width = self.pictures.dimensions
        size, version = pgm_size(width, height), f"{self.pictures.version}-{self.labels.version}"
        place = 0
        for chunk in _chunks(self.labels):
            for label in chunk:
                category = self._category(label)
                path = f"{category}/{place:05d}{EXTENSION}"
                yield Photo(path, (category,), size, version, locator=str(place))
                place += 1

    def read(self, locator: str) -> bytes:
        """One picture as a PGM file; the locator is its place, from 0.

        Raises:
            OSError: the file cannot be read.
            PhotoError: there is no such picture, or not any more.
        """
        count, height, width = self.pictures.dimensions
        (place,) = positions(locator, "place")
        if place >= count:
            raise PhotoError(f"{self.name}: picture {place}, expected 0 to {count - 1}")
        length = height * width
        offset = self.pictures.start + place * length
        pixels = read_at(self.pictures.path, offset, length)
        if len(pixels) < length:
            raise PhotoError(f"{self.name}: the file ends inside picture {place}")
        return pgm(width, height, pixels)

    def _category(self, label: int) -> str:
        if label >= len(self.classes):
            raise DatasetError(
                f"{self.labels.path}: label {label}, expected 0 to {len(self.classes) - 1}",
                hint="the file has changed meanwhile: try again",
            )
        return self.classes[label]


def labels_name(pictures: str) -> str:
    """What the file of labels is usually called that belongs to one of pictures."""
    return _PICTURES_NAME.sub(_LABELS_NAME, pictures)


def labels_beside(pictures: Path) -> Path:
    """The file of labels that belongs to one of pictures, by the usual names.

    Gzipped or not, whichever is there; the one alike if neither or both are.

    Raises:
        DatasetError: the pictures' name does not tell.
    """
    name = labels_name(pictures.name)
    if name == pictures.name:
        raise DatasetError(
            f"{pictures}: expected a name with images-idx3 or images.idx3, to know its labels by",
            hint="name the file of labels too",
        )
    alike = pictures.with_name(name)
    bare = name.removesuffix(_GZIP_EXTENSION)
    other = pictures.with_name(bare if bare != name else f"{name}{_GZIP_EXTENSION}")
    return other if other.exists() and not alike.exists() else alike


def _check_pair(pictures: Path, pictures_idx: IdxFile, labels: Path, labels_idx: IdxFile) -> None:
    count, height, width = pictures_idx.dimensions
    if count != labels_idx.dimensions[0]:
        raise DatasetError(
            f"{pictures}: {count:,} pictures, and {labels_idx.dimensions[0]:,} labels in {labels}",
            hint="give two files that belong together",
        )
    if not count or not 0 < pgm_size(width, height) <= MAX_PHOTO_BYTES or not height * width:
        raise DatasetError(
            f"{pictures}: {count:,} pictures of {width} x {height} pixels, expected at least one,"
            f" of at most {MAX_PHOTO_BYTES:,} bytes",
            hint="give a file with pictures in it",
        )


def _chunks(labels: IdxFile) -> Iterator[bytes]:
    with opened_file(labels.path) as file:
        file.seek(labels.start)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
