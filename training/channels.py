"""Input channels: a RecordIO file each, read by MXNet's own iterator."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import mxnet as mx

from contracts import DATASET_FILE, PHOTO_FIT, TrainingError
from photo import Preparation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGENET_MEAN = (123.68, 116.779, 103.939)
IMAGENET_STD = (58.393, 57.12, 57.375)
"""RGB statistics for records that came without a dataset.json; 0..255 scale."""

AREA_INTERPOLATION = 3
"""OpenCV's INTER_AREA: the only one of its filters that does not alias when it shrinks."""

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "crop": {
        "random_resized_crop": True,
        "min_random_area": 0.5,
        "max_random_area": 1.0,
        "min_aspect_ratio": 0.8,
        "max_aspect_ratio": 1.25,
        "rand_mirror": True,
    },
}
AUGMENTATIONS["crop_color"] = AUGMENTATIONS["crop"] | {
    "random_h": 36,
    "random_s": 50,
    "random_l": 50,
}
AUGMENTATIONS["crop_color_transform"] = AUGMENTATIONS["crop_color"] | {
    "max_rotate_angle": 10,
    "max_shear_ratio": 0.1,
}
"""Ranges of SageMaker's `augmentation_type`; its aspect ratio of 0.25 is in the crop already."""


PHOTO_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n")
"""First bytes of the two encodings that im2rec and `snapshelf prepare` write."""

_ANEW = "prepare the photos again: `snapshelf prepare PHOTOS --out RECORDS`"


class Batch(NamedTuple):
    """Pictures (N, 3, H, W) float32 normalised, labels (N,), and how many of the N are real."""

    data: Any
    labels: Any
    photos: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel's records."""

    name: str
    records: Path
    index: Path | None
    photos: int
    highest_label: int

    @classmethod
    def open(cls, name: str, folder: Path) -> Channel:
        """Find the channel's one `.rec` and read it through once.

        Raises:
            TrainingError: there is no `.rec`, more than one, it holds nothing, is damaged or not
                made of JPEG and PNG photos of one class each, or its `.idx` is another's.
        """
        found = sorted(folder.glob("*.rec"))
        if len(found) != 1:
            raise TrainingError(
                f"channel {name} holds {len(found)} .rec files, expected one",
                hint="`snapshelf prepare` writes one for each split",
            )
        index = found[0].with_suffix(".idx")
        try:
            labels = _labels(found[0], index if index.exists() else None)
        except (ValueError, struct.error, mx.base.MXNetError) as error:
            damaged = isinstance(error, mx.base.MXNetError)  # its message is a C++ stack trace
            reason = "the file is damaged" if damaged else str(error)
            raise TrainingError(f"channel {name}: {found[0].name}: {reason}", hint=_ANEW) from error
        return cls(name, found[0], index if index.exists() else None, len(labels), max(labels))

    def batches(
        self, size: int, preparation: Preparation, batch_size: int, *, threads: int = 1
    ) -> Iterator[Batch]:
        """Every photo once, in order, as it is; the last batch is filled up."""
        # MXNet's iterator cannot fill a batch up from fewer photos than a batch.
        batch_size = min(batch_size, self.photos)
        iterator = self._iterator(size, preparation, batch_size, threads, {})
        for batch in iterator:
            yield _on_cpu(batch, batch_size - batch.pad)

    def shuffled_batches(  # one keyword for each thing that a training epoch differs by
        self,
        size: int,
        preparation: Preparation,
        batch_size: int,
        *,
        augmentation_type: str,
        seed: int,
        threads: int = 1,
    ) -> Iterator[Batch]:
        """Every photo once, shuffled and augmented; the last batch is filled from the first."""
        options = AUGMENTATIONS[augmentation_type] | {
            "shuffle": True,
            "seed": seed,
            "seed_aug": seed,
            "shuffle_chunk_seed": seed,
        }
        iterator = self._iterator(size, preparation, batch_size, threads, options)
        for batch in iterator:
            yield _on_cpu(batch, batch_size)

    def _iterator(
        self,
        size: int,
        preparation: Preparation,
        batch_size: int,
        threads: int,
        options: dict[str, Any],
    ) -> Any:
        red, green, blue = preparation.mean
        std_red, std_green, std_blue = preparation.std
        return mx.io.ImageRecordIter(
            path_imgrec=str(self.records),
            path_imgidx=str(self.index) if self.index else "",
            data_shape=(3, size, size),
            batch_size=batch_size,
            resize=-1 if options.get("random_resized_crop") else size,
            inter_method=AREA_INTERPOLATION,
            mean_r=red,
            mean_g=green,
            mean_b=blue,
            std_r=std_red,
            std_g=std_green,
            std_b=std_blue,
            preprocess_threads=threads,
            verbose=False,
            **options,
        )


def _on_cpu(batch: Any, photos: int) -> Batch:
    """The iterator's batch out of the memory that it pins for a GPU; the copy costs under 1 %."""
    return Batch(
        batch.data[0].as_in_context(mx.cpu()), batch.label[0].as_in_context(mx.cpu()), photos
    )


def read_dataset(folder: Path, size: int) -> tuple[tuple[str, ...], Preparation]:
    """Class names and preparation that `snapshelf prepare` left beside the records, if it did.

    Args:
        folder: of the channel.
        size: the side, in pixels, of the pictures that the network will be served.

    Returns:
        Class names in label order (empty where unknown), and how a photo is to be prepared.

    Raises:
        TrainingError: the records hold pictures of another size, or dataset.json is damaged.
        ArtifactError: dataset.json does not say how the photos were prepared.
    """
    path = folder / DATASET_FILE
    if not path.exists():
        return (), Preparation(size, PHOTO_FIT, IMAGENET_MEAN, IMAGENET_STD)
    try:
        document = json.loads(path.read_text())
        classes = tuple(str(name) for name in document["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path.name}: {error!r}, expected classes", hint=_ANEW) from error
    preparation = Preparation.from_dict(document)
    if preparation.size != size:
        raise TrainingError(
            f"hyperparameter image_shape asks for {size} pixels: the records hold pictures of "
            f"{preparation.size}",
            hint=f"image_shape=3,{preparation.size},{preparation.size}, or prepare the photos anew",
        )
    return classes, preparation


def _labels(records: Path, index: Path | None) -> list[int]:
    """Every photo's class; ValueError for what would end MXNet's iterator, and the process."""
    reader = mx.recordio.MXRecordIO(str(records), "r")
    try:
        labels = [_label(record) for record in iter(reader.read, None)]
    finally:
        reader.close()
    if not labels:
        raise ValueError("holds no photos")
    if index and (lines := len(index.read_bytes().splitlines())) != len(labels):
        raise ValueError(f"holds {len(labels)} photos, {index.name} lists {lines}")
    return labels


def _label(record: bytes) -> int:
    header, photo = mx.recordio.unpack(record)
    if header.flag:
        raise ValueError(f"photo {header.id} has {header.flag} labels, expected one")
    if not photo.startswith(PHOTO_STARTS):
        raise ValueError(f"photo {header.id} is neither JPEG nor PNG")
    if header.label < 0 or header.label % 1:
        raise ValueError(f"photo {header.id} has label {header.label}, expected 0, 1, 2, ...")
    return int(header.label)
