"""Pictures by number: decoded when asked for, and kept while they fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import PhotoError, TrainingError
from photo import prepare_photo
from training.channels.dataset import PREPARE_ANEW
from training.channels.recordio import frame, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from photo import Preparation
    from training.channels.augment import Pixels

CACHE_BYTES = 512 * 2**20
"""Of decoded pictures a channel: 13,900 of 112 pixels, 228,000 of 28. The rest are decoded anew."""


class Pictures:
    """The pictures of some records, side x side, as the endpoint would prepare them.

    Any number of threads may ask: files are mapped, and a picture that two of them decode at once
    is written twice with the same pixels.
    """

    def __init__(
        self,
        channel: str,
        files: Sequence[Path],
        places: np.ndarray[Any, np.dtype[np.int64]],
        preparation: Preparation,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._channel = channel
        self._bytes = [np.memmap(file, np.uint8, "r") for file in files]
        self._places = places
        self._side, self._fit = preparation.size, preparation.fit
        shape = (self._side, self._side, 3)
        kept = min(len(places), cache_bytes // (3 * self._side**2))
        self._cache = np.empty((kept, *shape), np.uint8)
        self._is_kept = np.zeros(kept, bool)

    def __getitem__(self, number: int) -> Pixels:
        """The picture of a record, (side, side, 3); not to be written to.

        Raises:
            TrainingError: it cannot be decoded.
        """
        if number >= len(self._cache):
            return self._decoded(number)
        if not self._is_kept[number]:
            self._cache[number] = self._decoded(number)
            self._is_kept[number] = True
        kept: Pixels = self._cache[number]
        return kept

    def _decoded(self, number: int) -> Pixels:
        file, offset, length = self._places[number].tolist()
        record = unpack(frame(self._bytes[file][offset : offset + length].tobytes()))
        try:
            return np.asarray(prepare_photo(record.photo, self._side, self._fit))
        except PhotoError as error:
            raise TrainingError(
                f"channel {self._channel}: photo {record.id}: {error.message}", hint=PREPARE_ANEW
            ) from error
