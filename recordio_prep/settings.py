"""What a person may choose about records, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts import PHOTO_FIT, PHOTO_SIZE, SPLITS, DatasetError

ENCODINGS = ("jpeg", "png")
_DEFAULT_ENCODING = {"train": "jpeg", "validation": "png", "test": "png"}
MAX_SIZE = 2048
MAX_QUALITY = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """How photos are divided and packed.

    Attributes:
        size: Width and height in pixels, 1 to 2048.
        train_ratio: Share of each category that is trained on, above 0, 1 at most.
        seed: Decides the split and the order of the training photos.
        encoding: "jpeg" or "png" for all splits; by default the train split is JPEG (a seventh of
            the bytes) and the others PNG, so that they measure exactly what serving sees.
        quality: Of JPEG, 1 to 100; colours are never subsampled.

    Raises:
        DatasetError: a value outside these ranges.
    """

    size: int = PHOTO_SIZE
    train_ratio: float = 0.7
    seed: int = 0
    encoding: str | None = None
    quality: int = 95

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIZE:
            raise DatasetError(f"size {self.size}, expected 1 to {MAX_SIZE} pixels")
        if not 0 < self.train_ratio <= 1:
            raise DatasetError(f"train ratio {self.train_ratio}, expected above 0 and at most 1")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise DatasetError(f"encoding {self.encoding!r}, expected {' or '.join(ENCODINGS)}")
        if not 1 <= self.quality <= MAX_QUALITY:
            raise DatasetError(f"quality {self.quality}, expected 1 to {MAX_QUALITY}")

    def encoding_of(self, split: str) -> str:
        """How the photos of a split are packed, "jpeg" or "png"."""
        return self.encoding or _DEFAULT_ENCODING[split]

    def to_dict(self) -> dict[str, Any]:
        """All that the records depend on besides the photos, for fingerprints."""
        return {
            "size": self.size,
            "fit": PHOTO_FIT,
            "train_ratio": self.train_ratio,
            "seed": self.seed,
            "encoding": {split: self.encoding_of(split) for split in SPLITS},
            "quality": self.quality,
        }
