"""Input channels: records of prepared photos, read in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import TrainingError
from training.channels.augmentation import Augmentation
from training.channels.dataset import PREPARE_ANEW
from training.channels.epochs import Batch, Epoch
from training.channels.pictures import Pictures
from training.channels.recordio import frame, unpack
from training.channels.scan import Labels, Scan, check_index, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from photo import Preparation
    from training.channels.recordio import Record


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One channel's records.

    Attributes:
        name: train, validation or test.
        folder: where the job found the channel; a dataset.json stands there.
        files: of the records, in order; in `folder`, or what was made of it in a scratch folder.
        scan: every record's place and labels.
    """

    name: str
    folder: Path
    files: tuple[Path, ...]
    scan: Scan
    _pictures: dict[tuple[int, str], Pictures] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, name: str, folder: Path) -> Channel:
        """Find the channel's one `.rec` and read it through once.

        Raises:
            TrainingError: there is no `.rec`, more than one, it holds nothing, is damaged or not
                made of JPEG and PNG photos, or its `.idx` is another's.
        """
        found = sorted(folder.glob("*.rec"))
        if len(found) != 1:
            raise TrainingError(
                f"channel {name} holds {len(found)} .rec files, expected one",
                hint="`snapshelf prepare` writes one for each split",
            )
        return cls.read(name, folder, found)

    @classmethod
    def read(
        cls,
        name: str,
        folder: Path,
        files: Sequence[Path],
        look: Callable[[Record], None] = lambda _: None,
    ) -> Channel:
        """Read files of records through once.

        Raises:
            TrainingError: as `open`, or where `look`, which is shown each, raises ValueError.
        """
        try:
            found = scan(files, look)
            index = files[0].with_suffix(".idx")
            if len(files) == 1 and index.exists():
                check_index(index, len(found.labels))
        except ValueError as error:
            named = files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"
            raise TrainingError(f"channel {name}: {named}: {error}", hint=PREPARE_ANEW) from error
        return cls(name, folder, tuple(files), found)

    @property
    def records(self) -> Path:
        """The file of records, the first of several."""
        return self.files[0]

    @property
    def photos(self) -> int:
        """How many there are, counted."""
        return len(self.scan.labels)

    @property
    def labels(self) -> Labels:
        """By photo: (N,) int32, or with several labels a photo (N, K) uint8 of 0 and 1."""
        return self.scan.labels

    @property
    def label_width(self) -> int:
        """How many labels a photo has: 1, or with several K."""
        return 1 if self.labels.ndim == 1 else self.labels.shape[1]

    @property
    def highest_label(self) -> int:
        """The highest class that a label names."""
        return int(self.labels.max()) if self.label_width == 1 else self.label_width - 1

    def photo(self, number: int) -> bytes:
        """The bytes of a photo as the record holds it, from 0."""
        file, offset, length = self.scan.places[number].tolist()
        with self.files[file].open("rb") as stream:
            stream.seek(offset)
            return unpack(frame(stream.read(length))).photo

    def batches(
        self, size: int, preparation: Preparation, batch_size: int, *, threads: int = 1
    ) -> Iterator[Batch]:
        """Every photo once, in order, as it is; the last batch is filled up."""
        return self.epoch(
            size,
            preparation,
            min(batch_size, self.photos),
            order=np.arange(self.photos),
            augmentation=Augmentation(),
            seed=0,
            threads=threads,
        )

    def epoch(
        self,
        size: int,
        preparation: Preparation,
        batch_size: int,
        *,
        order: np.ndarray[Any, Any] | None = None,
        augmentation: Augmentation,
        seed: int,
        start_batch: int = 0,
        part: tuple[int, int] = (0, 1),
        threads: int = 1,
    ) -> Iterator[Batch]:
        """The batches of one epoch of training; all are full, the last filled from the first.

        Args:
            size: pixels a side of the pictures, whatever the records' own.
            preparation: of the photos: the endpoint's.
            batch_size: photos a batch, of this worker.
            order: the numbers of the photos, 0 to `photos` - 1, in turn, any of them as often as
                wanted; by default every one once, shuffled by the seed.
            augmentation: what may happen to a photo.
            seed: of the order, if none is given, and of what each place in the order draws.
            start_batch: the number, from 0, of the worker's first batch: the same pixels as if it
                had been reached from the start.
            part: this worker's rank and how many there are. They take turns, batch by batch: what
                `workers` of them see in a step is what one with `workers` times the batch size
                would, to the bit.
            threads: that make batches ahead, beside the caller's own.

        Raises:
            TrainingError: the order names a photo that is not there, a photo cannot be decoded, or
                `part` is none.
        """
        rank, workers = part
        if not 0 <= rank < workers:
            raise TrainingError(f"worker {rank} of {workers}: expected 0 to {workers - 1}")
        epoch = Epoch(
            pictures=self._opened(preparation),
            labels=self.labels,
            preparation=preparation,
            size=size,
            batch_size=batch_size,
            order=self._checked_order(order, seed),
            augmentation=augmentation,
            seed=seed,
            rank=rank,
            workers=workers,
        )
        return epoch.batches(start_batch, threads)

    def _opened(self, preparation: Preparation) -> Pictures:
        key = (preparation.size, preparation.fit)
        if key not in self._pictures:
            self._pictures.clear()  # two caches at once would be twice the memory that is allowed
            self._pictures[key] = Pictures(self.name, self.files, self.scan.places, preparation)
        return self._pictures[key]

    def _checked_order(self, order: np.ndarray[Any, Any] | None, seed: int) -> np.ndarray[Any, Any]:
        if order is None:
            return np.random.default_rng(seed).permutation(self.photos)
        if not len(order) or not 0 <= order.min() <= order.max() < self.photos:
            extent = f"{order.min()} to {order.max()}" if len(order) else "no photos"
            raise TrainingError(
                f"channel {self.name}: an epoch of {extent}, expected 0 to {self.photos - 1}"
            )
        return order.astype(np.int64)
