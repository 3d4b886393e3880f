"""The batches of an epoch, in an order that the caller chooses, made ahead by threads.

A batch is a function of the epoch's order, its seed and the batch's number alone. So an epoch that
is entered in its middle, or divided among several workers, holds the very pixels that it would
have held from its start and on one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import mxnet as mx
import numpy as np
from PIL import Image

from training.channels.ahead import made_ahead
from training.channels.augment import augment, draws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photo import Preparation
    from training.channels.augment import Pixels
    from training.channels.augmentation import Augmentation
    from training.channels.pictures import Pictures
    from training.channels.scan import Labels


class Batch(NamedTuple):
    """Pictures (N, 3, H, W) float32 normalised, labels, and how many of the N are real.

    Labels are float32, (N,) or with several a photo (N, K). What is not real fills the batch up,
    and is the order's first photos again.
    """

    data: Any
    labels: Any
    photos: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over some photos.

    Attributes:
        order: (n,) integers: the number of each photo, in turn; any may come several times.
        batch_size: Of one worker.
        rank: Of this worker.
        workers: How many share the epoch. They take turns: of the batches b 0, b 1, b 2, ... that
            the order is cut into, this one has number `rank` and each `workers`-th after it.
    """

    pictures: Pictures
    labels: Labels
    preparation: Preparation
    size: int
    batch_size: int
    order: np.ndarray[Any, np.dtype[np.int64]]
    augmentation: Augmentation
    seed: int
    rank: int = 0
    workers: int = 1

    @property
    def batch_count(self) -> int:
        """How many batches each worker has: as many as every other, filled up if need be."""
        return -(-len(self.order) // (self.batch_size * self.workers))

    def batches(self, start: int = 0, threads: int = 1) -> Iterator[Batch]:
        """This worker's batches from number `start` on."""
        for pixels, labels, photos in made_ahead(
            self.arrays, range(start, self.batch_count), threads
        ):
            # The array is handed over, not copied: nothing else has it.
            yield Batch(mx.nd.from_numpy(pixels), mx.nd.from_numpy(labels, zero_copy=False), photos)

    def arrays(self, number: int) -> tuple[Any, Any, int]:
        """The batch of a number, as NumPy arrays."""
        first = (number * self.workers + self.rank) * self.batch_size
        places = np.arange(first, first + self.batch_size) % len(self.order)
        chosen = self.order[places]
        pixels = self._pixels(chosen.tolist(), first)
        labels = self.labels[chosen].astype(np.float32)
        photos = min(self.batch_size, max(0, len(self.order) - first))
        return _normalised(pixels, self.preparation), labels, photos

    def _pixels(self, chosen: list[int], first: int) -> Pixels:
        pictures = [self.pictures[number] for number in chosen]
        if self.augmentation.changes_nothing:
            return np.stack([_reduced(picture, self.size) for picture in pictures])
        drawn = draws(self.seed, first, len(chosen))
        return augment(pictures, self.size, self.augmentation, drawn, self.preparation.mean)


def _reduced(pixels: Pixels, size: int) -> Pixels:
    """The whole picture at another size; smaller, each pixel is the mean of those it covers."""
    if len(pixels) == size:
        return pixels
    image = Image.fromarray(pixels)
    if len(pixels) % size == 0:  # rounded once, where `resize` rounds after each direction
        return np.asarray(image.reduce(len(pixels) // size))
    enlarges = len(pixels) < size
    filter_ = Image.Resampling.BILINEAR if enlarges else Image.Resampling.BOX
    return np.asarray(image.resize((size, size), filter_))


def _normalised(pixels: Pixels, preparation: Preparation) -> Any:
    """As `photo.to_array`, to the bit, for (N, H, W, 3)."""
    photos, height, width, channels = pixels.shape
    arrays = np.empty((photos, channels, height, width), np.float32)
    for channel in range(channels):
        plane = arrays[:, channel]
        np.subtract(
            pixels[..., channel], np.float32(preparation.mean[channel]), out=plane, dtype=np.float32
        )
        plane /= np.float32(preparation.std[channel])
    return arrays
