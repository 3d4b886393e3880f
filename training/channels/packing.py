"""Photos of any size and kind become one file of prepared records, in a scratch folder."""

from __future__ import annotations

import csv
import io
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import mxnet as mx

from contracts import LEFT_OUT_FILE, PhotoError, TrainingError, table_cell
from photo import prepare_stored_photo
from photo.decode import opened_photo, orientation
from training.channels.ahead import made_ahead
from training.channels.recordio import PHOTO_STARTS, packed
from training.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from PIL import Image

    from photo import Preparation
    from training.channels.given import GivenPhoto

logger = logging.getLogger(__name__)

JPEG_QUALITY = 95
_PNG_COMPRESSION = 1  # 6 takes 2.4 times as long for 3 % fewer bytes of a real photo
_LOSSY = ("JPEG", "MPO", "WEBP", "HEIF", "AVIF", "JPEG2000")
"""Pillow's names of formats whose photos have lost something already, as a rule."""

_PHOTOS_BETWEEN_LINES = 5_000
_NAMED_IN_LOG = 10


@dataclass(slots=True)
class Packed:
    """What became of a channel's photos.

    Attributes:
        photos: How many are in the file.
        left_out: Name and reason of each that is not.
    """

    file: Path
    photos: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def pack(
    channel: str,
    photos: Iterable[GivenPhoto],
    preparation: Preparation,
    file: Path,
    *,
    reports: Path,
    threads: int = 1,
    should_stop: Callable[[], bool] = lambda: False,
) -> Packed:
    """Prepare each photo as the endpoint would, and write it as a record.

    Photos that cannot be read are left out, told in the log, and listed in `left_out.csv`
    (`path,reason`), which is there only if there are any.

    Args:
        channel: its name, for messages.
        photos: taken one after the other.
        preparation: size and fit.
        file: to write; its folder is made.
        reports: the folder for the list.
        threads: that decode and encode.
        should_stop: asked before every photo.

    Raises:
        TrainingError: no photo can be read, or the file cannot be written.
        StoppedError: `should_stop` says so.
    """
    result = Packed(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        wanted = _until_stopped(channel, photos, should_stop)
        _write(channel, wanted, preparation, result, threads)
        if result.left_out:
            _report(channel, result, reports)
    except (OSError, mx.base.MXNetError) as error:
        raise TrainingError(
            f"channel {channel}: its prepared photos cannot be written to {file.parent}: "
            f"{str(error).splitlines()[-1]}",
            hint="they need about as much space as the channel: a larger VolumeSizeInGB",
        ) from error
    if not result.photos:
        name, reason = result.left_out[0] if result.left_out else ("it", "holds no photos")
        raise TrainingError(f"channel {channel}: no photo can be read: {name}: {reason}")
    return result


def is_prepared(photo: bytes, size: int) -> bool:
    """Whether a photo is size x size RGB, upright, and JPEG or PNG, by its header alone."""
    if not photo.startswith(PHOTO_STARTS):
        return False
    try:
        with opened_photo(photo, ("JPEG", "PNG")) as image:
            return (
                image.size == (size, size)
                and image.mode == "RGB"
                and not image.has_transparency_data
                and orientation(image) == 1
            )
    except PhotoError:
        return False


def _until_stopped(
    channel: str, photos: Iterable[GivenPhoto], should_stop: Callable[[], bool]
) -> Iterator[GivenPhoto]:
    for photo in photos:
        if should_stop():
            raise StoppedError(f"the job was stopped while channel {channel} was prepared")
        yield photo


def _write(
    channel: str,
    photos: Iterable[GivenPhoto],
    preparation: Preparation,
    result: Packed,
    threads: int,
) -> None:
    def made(photo: GivenPhoto) -> tuple[GivenPhoto, bytes | str]:
        return photo._replace(source=b""), _payload(photo, preparation)

    start = time.perf_counter()
    writer = mx.recordio.MXRecordIO(str(result.file), "w")
    try:
        for number, (photo, payload) in enumerate(made_ahead(made, photos, threads)):
            if isinstance(payload, str):
                result.left_out.append((photo.name, payload))
            else:
                writer.write(packed(number, photo.labels, payload))
                result.photos += 1
            if (number + 1) % _PHOTOS_BETWEEN_LINES == 0:
                _log_progress(channel, number + 1, start)
    finally:
        writer.close()
    logger.info("channel %s: %d photos prepared", channel, result.photos)


def _log_progress(channel: str, photos: int, start: float) -> None:
    speed = photos / (time.perf_counter() - start)
    logger.info("channel %s: %d photos read, %.0f a second", channel, photos, speed)


def _payload(photo: GivenPhoto, preparation: Preparation) -> bytes | str:
    """The record's payload, or why there is none; a photo that is prepared already stays as is."""
    try:
        data = photo.read()
        prepared = prepare_stored_photo(data, preparation.size, preparation.fit)
    except OSError as error:
        return error.strerror or str(error)
    except PhotoError as error:
        return error.message
    if is_prepared(data, preparation.size):
        return data
    return _encoded(prepared.image, lossy=prepared.format in _LOSSY)


def _encoded(image: Image.Image, *, lossy: bool) -> bytes:
    buffer = io.BytesIO()
    if lossy:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    else:
        image.save(buffer, "PNG", compress_level=_PNG_COMPRESSION)
    return buffer.getvalue()


def _report(channel: str, result: Packed, reports: Path) -> None:
    reports.mkdir(parents=True, exist_ok=True)
    with (reports / LEFT_OUT_FILE).open("w", newline="", errors="surrogateescape") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(("path", "reason"))
        rows.writerows(map(table_cell, row) for row in result.left_out)
    logger.warning(
        "channel %s: %d of %d photos cannot be read and are left out; %s lists them",
        channel,
        len(result.left_out),
        len(result.left_out) + result.photos,
        LEFT_OUT_FILE,
    )
    for name, reason in result.left_out[:_NAMED_IN_LOG]:
        logger.warning("channel %s: left out: %s: %s", channel, name, reason)
