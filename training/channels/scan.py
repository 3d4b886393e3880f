"""Records are read through once: their places, their labels, and whether all can be used."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from training.channels.recordio import PHOTO_STARTS, frames, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from training.channels.recordio import Record

Labels: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""A class for each photo, (N,) int32, or with several labels a 0 or 1 for each, (N, K) uint8."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What some files of records hold, in order.

    Attributes:
        places: (N, 3) int64: the file's number, the record's first byte in it, and how many it has.
        labels: (N,) int32, or (N, K) uint8 of 0 and 1.
    """

    places: np.ndarray[Any, np.dtype[np.int64]]
    labels: Labels


def scan(files: Sequence[Path], look: Callable[[Record], None] = lambda _: None) -> Scan:
    """Read every record of the files.

    Args:
        files: in order.
        look: is shown each record, and may raise ValueError.

    Raises:
        ValueError: they hold no photos, are damaged, or a record holds no photo or other labels.
    """
    # Plain arrays grow by bytes, not by objects: millions of records are some hundred megabytes.
    places, labels = array("q"), array("f")
    width = 0
    for number, file in enumerate(files):
        with file.open("rb") as stream:
            for offset, length, data in frames(stream):
                record = unpack(data)
                width = width or len(record.labels)
                _check(record, width)
                places.extend((number, offset, length))
                labels.frombytes(record.labels.tobytes())
                look(record)
    if not labels:
        raise ValueError("holds no photos")
    return Scan(
        np.array(places, np.int64).reshape(-1, 3),
        as_labels(np.array(labels, np.float32).reshape(-1, width)),
    )


def as_labels(labels: Labels) -> Labels:
    """(N, 1) become (N,) int32, (N, K) uint8."""
    return labels[:, 0].astype(np.int32) if labels.shape[1] == 1 else labels.astype(np.uint8)


def check_index(index: Path, photos: int) -> None:
    """Hold an `.idx` to the number of records; ValueError where it is another file's."""
    if (lines := len(index.read_bytes().splitlines())) != photos:
        raise ValueError(f"holds {photos} photos, {index.name} lists {lines}")


def _check(record: Record, width: int) -> None:
    """Hold a record to what MXNet's iterator would end the process by, or take for something."""
    if not record.photo.startswith(PHOTO_STARTS):
        raise ValueError(f"photo {record.id} is neither JPEG nor PNG")
    if len(record.labels) != width:
        raise ValueError(f"photo {record.id} has {len(record.labels)} labels, others {width}")
    check_labels(record.labels, f"photo {record.id}")


def check_labels(labels: Labels, photo: str) -> None:
    """See to it that one label is a class, and several are 0 or 1 each.

    Raises:
        ValueError: they are not.
    """
    if len(labels) > 1:
        if not np.isin(labels, (0, 1)).all():
            wrong = next(value for value in labels if value not in {0, 1})
            raise ValueError(
                f"{photo} has {wrong} among its labels, expected 0 or 1 for each class"
            )
    elif not (labels[0] >= 0 and labels[0] % 1 == 0 and labels[0] <= np.iinfo(np.int32).max):
        raise ValueError(f"{photo} has label {labels[0]}, expected 0, 1, 2, ...")
