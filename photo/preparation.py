"""A photo becomes the network's input: squashed to a square, then normalised to an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from contracts import PHOTO_FIT, PHOTO_SIZE, ArtifactError
from photo.colour import to_rgb
from photo.decode import opened_photo, orientation, turned_upright

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESAMPLING = Image.Resampling.HAMMING
"""The filter nearest to what a browser's canvas makes of the same photo.

Measured against Chromium on real photos scaled to 112 pixels, mean PSNR: Hamming 42.3 dB to one
`drawImage` of medium or high quality and 40.6 dB to halving in steps; bilinear 40 and 39, bicubic
39 and 38, Lanczos 36 and 36, box 35 and 34. At its own scale it is as sharp as bicubic.
"""

_OVERSAMPLING = 2
_MAX_SIZE = 2048
_WHITE = 255


def prepare_photo(data: bytes, size: int = PHOTO_SIZE) -> Image.Image:
    """Decode a photo and squash it to `size` x `size` pixels, upright RGB.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its scale where that leaves at least twice `size` on
    both sides. Against full decoding before the same filter that is a PSNR of 48 dB on average and
    37 dB at worst on 2,366 real photos, and 34 dB at worst on white noise.

    A photo that is `size` x `size` already comes back pixel for pixel.

    Raises:
        PhotoError: as `photo.decode.decode_photo`; nothing else, whatever the bytes.
    """
    with opened_photo(data) as image:
        drafted = image.draft(None, (size * _OVERSAMPLING, size * _OVERSAMPLING))
        image.load()
        # The reduced picture may end in a partly empty row and column: the box leaves them out.
        box = drafted[1] if drafted else None
        square = to_rgb(image).resize((size, size), RESAMPLING, box=box)
        # Turning commutes with squashing to a square, and is cheaper behind it.
        return turned_upright(square, orientation(image))


def to_array(
    image: Image.Image, *, mean: Sequence[float], std: Sequence[float]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Normalise a prepared RGB photo: `(pixel - mean) / std` by channel.

    Args:
        image: RGB, height H and width W.
        mean: Red, green, blue, in units of 0..255.
        std: Red, green, blue, in units of 0..255, above 0.

    Returns:
        float32 of shape (3, H, W), channels red, green, blue, contiguous.
    """
    pixels = np.asarray(image, dtype=np.float32)
    normalised = (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


@dataclass(frozen=True, slots=True)
class Preparation:
    """How photos are prepared for one network; dataset.json and the model card store it.

    Attributes:
        size: Width and height in pixels.
        fit: Always "squash": both sides scaled, nothing cut.
        mean: Red, green, blue, 0..255: what `to_array` subtracts.
        std: Red, green, blue, above 0, in the same units: what it divides by.

    Raises:
        ValueError: a value outside these ranges.
    """

    size: int
    fit: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or not 1 <= self.size <= _MAX_SIZE:
            raise ValueError(f"size {self.size!r}, expected 1 to {_MAX_SIZE} pixels")
        if self.fit != PHOTO_FIT:
            raise ValueError(f"fit {self.fit!r}, expected {PHOTO_FIT!r}")
        if len(self.mean) != len("RGB") or not all(0 <= value <= _WHITE for value in self.mean):
            raise ValueError(f"mean {self.mean!r}, expected three values of 0 to 255")
        if len(self.std) != len("RGB") or not all(0 < value < float("inf") for value in self.std):
            raise ValueError(f"std {self.std!r}, expected three values above 0")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Preparation:
        """Read `size`, `fit` and `statistics` of dataset.json or a model card; the rest is left.

        Raises:
            ArtifactError: one of them is missing or out of range.
        """
        try:
            statistics = document["statistics"]
            red, green, blue = (float(value) for value in statistics["mean"])
            red_std, green_std, blue_std = (float(value) for value in statistics["std"])
            return cls(
                size=document["size"],
                fit=document["fit"],
                mean=(red, green, blue),
                std=(red_std, green_std, blue_std),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"photo preparation: {error}, expected size, fit and statistics.mean and .std",
                hint="prepare the photos, or train the model, again",
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """The JSON form that `from_dict` reads."""
        return {
            "size": self.size,
            "fit": self.fit,
            "statistics": {"mean": list(self.mean), "std": list(self.std)},
        }

    def array(self, data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The whole way from a photo's bytes to the network's input, float32 (3, size, size).

        Raises:
            PhotoError: as `prepare_photo`.
        """
        return to_array(prepare_photo(data, self.size), mean=self.mean, std=self.std)
