"""A job's channel is opened, in whatever form its photos come."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import DATASET_FILE, TrainingError
from training.channels.channel import Channel
from training.channels.given import GivenPhoto
from training.channels.listing import listed_photos
from training.channels.packing import is_prepared, pack
from training.channels.recordio import frames, unpack
from training.channels.shards import record_files
from training.channels.stream import CLASS_ID, MULTI_HOT, piped_photos
from training.environment import ChannelInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from photo import Preparation
    from training.channels.recordio import Record
    from training.environment import Environment

logger = logging.getLogger(__name__)

_RECORDS = "application/x-recordio"
_PHOTOS = ("application/x-image", "image/jpeg", "image/png")
_TYPES = ("", _RECORDS, *_PHOTOS)
_FORMATS = ("", MULTI_HOT, CLASS_ID)


@dataclass(frozen=True, slots=True)
class _Opening:
    """What opening a channel needs to know."""

    environment: Environment
    name: str
    preparation: Preparation
    scratch: Path
    should_stop: Callable[[], bool]

    @property
    def folder(self) -> Path:
        return self.environment.base_dir / "input" / "data" / self.name


def open_channel(
    environment: Environment,
    name: str,
    preparation: Preparation,
    scratch: Path,
    *,
    classes: int = 0,
    multi_label: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Channel | None:
    """Open one of a job's channels, or None where the job has none of that name.

    Records of prepared pictures are read where they are. Anything else (photos with a `.lst`, an
    augmented manifest, a pipe, records of any other pictures) becomes a file of prepared records
    in `scratch`, once, so that training and the endpoint treat a photo alike.

    Args:
        environment: of the job.
        name: train, validation or test.
        preparation: of every photo: the endpoint's, as `read_dataset` found for the train channel.
        scratch: a folder for what is made; it must outlive the channel.
        classes: how many the job has, 0 where it is not known.
        multi_label: whether a photo may have several labels.
        should_stop: asked before every photo that is prepared.

    Raises:
        StoppedError: `should_stop` says so.
        TrainingError: the channel is of no known form, damaged, or holds other labels.
    """
    opening = _Opening(environment, name, preparation, scratch, should_stop)
    source = environment.channel_inputs().get(name, ChannelInput())
    _check_source(name, source)
    if source.is_pipe:
        # The pipe of epoch 0 alone is read, to its end. Shuffling, pictures of other sizes and
        # going on in mid-epoch need any photo at any time; the disk is what File mode takes too.
        pipe = environment.pipe(name, 0)
        photos = piped_photos(name, pipe, source, classes=classes, multi_label=multi_label)
        channel = _packed(opening, photos)
    elif environment.channel_dir(name) is None:
        return None
    elif list_folder := environment.channel_dir(f"{name}_lst"):
        channel = _packed(opening, listed_photos(name, opening.folder, list_folder))
    elif source.content_type in _PHOTOS:
        raise TrainingError(
            f"channel {name} has ContentType {source.content_type}, expected a channel {name}_lst "
            "beside it",
            hint="with one .lst file: index<TAB>label<TAB>relative path",
        )
    else:
        channel = _records(opening)
    _check_label_width(channel, classes, multi_label=multi_label)
    return channel


def _check_source(name: str, source: ChannelInput) -> None:
    if source.content_type not in _TYPES:
        hint = "protobuf is for other built-in algorithms" if "proto" in source.content_type else ""
        expected = ", ".join(_TYPES[1:])
        raise TrainingError(
            f"channel {name} has ContentType {source.content_type}, expected {expected}", hint=hint
        )
    if source.label_format not in _FORMATS:
        raise TrainingError(
            f"channel {name} has label-format={source.label_format}, expected "
            f"{MULTI_HOT} or {CLASS_ID}"
        )
    if source.is_pipe and source.content_type in _PHOTOS and source.record_wrapper != "RecordIO":
        raise TrainingError(
            f"channel {name} has photos in Pipe mode and RecordWrapperType "
            f"{source.record_wrapper}, expected RecordIO",
            hint="nothing else tells where a photo ends",
        )


def _records(opening: _Opening) -> Channel:
    """The channel's records where they are, or prepared anew where their pictures are not."""
    unprepared = 0

    def look(record: Record) -> None:
        nonlocal unprepared
        unprepared += not is_prepared(record.photo, opening.preparation.size)

    files = record_files(opening.name, opening.folder)
    # A dataset.json vouches for what `snapshelf prepare` wrote, and its size has been compared.
    if (opening.folder / DATASET_FILE).exists():
        return Channel.read(opening.name, opening.folder, files)
    channel = Channel.read(opening.name, opening.folder, files, look)
    if not unprepared:
        return channel
    size = opening.preparation.size
    logger.info(
        "channel %s: %d of %d pictures are not upright RGB of %d x %d: preparing them (%s), as the "
        "endpoint does",
        *(opening.name, unprepared, channel.photos, size, size, opening.preparation.fit),
    )
    return _packed(opening, _photos_of(files))


def _photos_of(files: Iterable[Path]) -> Iterator[GivenPhoto]:
    for file in files:
        with file.open("rb") as stream:
            for frame in frames(stream):
                record = unpack(frame.data)
                yield GivenPhoto(f"{file.name}, photo {record.id}", record.labels, record.photo)


def _packed(opening: _Opening, photos: Iterable[GivenPhoto]) -> Channel:
    packed = pack(
        opening.name,
        photos,
        opening.preparation,
        opening.scratch / f"{opening.name}.rec",
        reports=opening.environment.output_data_dir / opening.name,
        threads=opening.environment.threads,
        should_stop=opening.should_stop,
    )
    return Channel.read(opening.name, opening.folder, [packed.file])


def _check_label_width(channel: Channel, classes: int, *, multi_label: bool) -> None:
    width = channel.label_width
    if multi_label and width != (classes or max(width, 2)):
        raise TrainingError(
            f"channel {channel.name} has {width} labels a photo, expected a 0 or 1 for each of "
            f"{classes or 'several'} classes, as multi_label=1"
        )
    if not multi_label and width > 1:
        raise TrainingError(
            f"channel {channel.name} has {width} labels a photo, expected one",
            hint="multi_label=1 trains on several",
        )
