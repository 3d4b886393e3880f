"""Photos that a `.lst` lists: index, label or labels, and the path in the channel's folder."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from contracts import TrainingError
from training.channels.given import GivenPhoto
from training.channels.scan import Labels, check_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COLUMNS = 3
_FORM = "index<TAB>label<TAB>relative path"


def listed_photos(channel: str, folder: Path, list_folder: Path) -> list[GivenPhoto]:
    """Every photo that the channel's `.lst` lists, in its order.

    Source of the format: SageMaker developer guide, *Image Classification Algorithm*, and im2rec;
    with several labels each has a column, 0 or 1.

    Args:
        channel: its name.
        folder: of the photos.
        list_folder: of the channel `<name>_lst`.

    Raises:
        TrainingError: there is not one `.lst`, a line is of another form, an index comes twice,
            or a path leaves the folder.
    """
    found = sorted(list_folder.glob("*.lst"))
    if len(found) != 1:
        raise TrainingError(f"channel {channel}_lst holds {len(found)} .lst files, expected one")
    photos: dict[int, GivenPhoto] = {}
    width = 0
    for where, line in _lines(found[0]):
        try:
            index, photo = _photo(line, folder)
            width = width or len(photo.labels)
            _check_beside(photos, index, len(photo.labels), width)
        except ValueError as error:
            raise TrainingError(f"channel {channel}_lst: {where}: {error}") from error
        photos[index] = photo
    if not photos:
        raise TrainingError(f"channel {channel}_lst: {found[0].name} lists no photos")
    return list(photos.values())


def _check_beside(photos: dict[int, GivenPhoto], index: int, labels: int, width: int) -> None:
    if labels != width:
        raise ValueError(f"{labels} labels, expected {width}, as the lines before")
    if index in photos:
        raise ValueError(f"index {index} comes twice, expected one of its own")


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Where a line stands, and the line; blank ones say nothing."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, 1):
            if text := line.rstrip("\r\n"):
                yield f"{path.name}, line {number}", text


def _photo(line: str, folder: Path) -> tuple[int, GivenPhoto]:
    columns = line.split("\t")
    if len(columns) < _COLUMNS:
        raise ValueError(f"{line!r}, expected {_FORM}")
    index, *labels, path = columns
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"path {path!r}, expected one within the channel's folder")
    values = _numbers(labels)
    check_labels(values, path)
    return _index(index), GivenPhoto(path, values, folder / parts)


def _index(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"index {text!r}, expected a whole number") from error


def _numbers(texts: list[str]) -> Labels:
    """Labels of a line; im2rec writes a class as 1.000000."""
    for text in texts:
        try:
            float(text)
        except ValueError as error:
            raise ValueError(f"label {text!r}, expected a class's number") from error
    return np.array(texts, np.float32)
