"""What a person may choose about records, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts import PHOTO_FIT, PHOTO_FITS, PHOTO_SIZE, SPLITS, DatasetError
from recordio_prep.one_against_rest import REST

ENCODINGS = ("jpeg", "png")
_DEFAULT_ENCODING = {"train": "jpeg", "validation": "png", "test": "png"}
MAX_SIZE = 2048
MAX_QUALITY = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """How photos are divided and packed.

    Attributes:
        size: Width and height in pixels, 1 to 2048.
        fit: How a photo becomes square: "squash", "crop" or "pad" (`photo.prepare_photo`).
        train_ratio: Share of each category that is trained on, above 0, 1 at most.
        seed: Decides the split and the order of the training photos.
        encoding: "jpeg" or "png" for all splits; by default the train split is JPEG (a seventh of
            the bytes) and the others PNG, so that they measure exactly what serving sees.
        quality: Of JPEG, 1 to 100; colours are never subsampled.
        shard_size: Records in a file `<split>_00000.rec`; None for one file `<split>.rec`.
        drop_duplicates: Keep one of the photos in a category that show the same, and none that
            several categories claim.
        drop_empty: Leave out photos of a single colour.
        cap_per_class: Largest number of photos of a category, None for all.
        balance: Repeat training photos until every category has as many records as the largest.
        positive: The one category that is told from all others, which become `other`; None to tell
            all apart.

    Raises:
        DatasetError: a value outside these ranges.
    """

    size: int = PHOTO_SIZE
    fit: str = PHOTO_FIT
    train_ratio: float = 0.7
    seed: int = 0
    encoding: str | None = None
    quality: int = 95
    shard_size: int | None = None
    drop_duplicates: bool = False
    drop_empty: bool = False
    cap_per_class: int | None = None
    balance: bool = False
    positive: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIZE:
            raise DatasetError(f"size {self.size}, expected 1 to {MAX_SIZE} pixels")
        if self.fit not in PHOTO_FITS:
            raise DatasetError(f"fit {self.fit!r}, expected {' or '.join(PHOTO_FITS)}")
        if not 0 < self.train_ratio <= 1:
            raise DatasetError(f"train ratio {self.train_ratio}, expected above 0 and at most 1")
        if self.encoding is not None and self.encoding not in ENCODINGS:
            raise DatasetError(f"encoding {self.encoding!r}, expected {' or '.join(ENCODINGS)}")
        if not 1 <= self.quality <= MAX_QUALITY:
            raise DatasetError(f"quality {self.quality}, expected 1 to {MAX_QUALITY}")
        for name, value in (("shard size", self.shard_size), ("cap", self.cap_per_class)):
            if value is not None and value < 1:
                raise DatasetError(f"{name} {value}, expected at least 1")
        if self.positive in {"", REST}:
            raise DatasetError(
                f"positive category {self.positive!r}: expected a name other than {REST!r}",
                hint=f"all other categories are called {REST!r}",
            )

    def encoding_of(self, split: str) -> str:
        """How the photos of a split are packed, "jpeg" or "png"."""
        return self.encoding or _DEFAULT_ENCODING[split]

    def to_dict(self) -> dict[str, Any]:
        """All that the records depend on besides the photos, for fingerprints."""
        return {
            "size": self.size,
            "fit": self.fit,
            "train_ratio": self.train_ratio,
            "seed": self.seed,
            "encoding": {split: self.encoding_of(split) for split in SPLITS},
            "quality": self.quality,
            "shard_size": self.shard_size,
            "drop_duplicates": self.drop_duplicates,
            "drop_empty": self.drop_empty,
            "cap_per_class": self.cap_per_class,
            "balance": self.balance,
            **({"positive": self.positive} if self.positive else {}),  # older records have none
        }
