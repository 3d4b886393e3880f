"""Mean and standard deviation of the training photos, by channel, from exact integer sums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

RGB: TypeAlias = tuple[float, float, float]
"""One value each for red, green and blue."""

_LEVELS = np.arange(256)
_POWERS = np.stack([_LEVELS, _LEVELS**2], axis=1)
_MIN_STD = 1.0


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over pixels by channel (red, green, blue); integers, so that no order changes them.

    Attributes:
        pixels: How many.
        sums: Of their values, 0..255.
        squares: Of their values' squares.
    """

    pixels: int
    sums: tuple[int, int, int]
    squares: tuple[int, int, int]

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """The sums over one RGB picture."""
        counts = np.array(image.histogram(), np.int64).reshape(len("RGB"), _LEVELS.size)
        (red, red2), (green, green2), (blue, blue2) = (counts @ _POWERS).tolist()
        return cls(
            pixels=image.width * image.height,
            sums=(red, green, blue),
            squares=(red2, green2, blue2),
        )

    @property
    def detail(self) -> float:
        """The largest standard deviation of a channel, 0 to 127.5: 0 for a single colour."""
        return max(
            _deviation(self.pixels, total, squares)
            for total, squares in zip(self.sums, self.squares, strict=True)
        )

    def mean_and_std(self) -> tuple[RGB, RGB]:
        """Mean and standard deviation by channel, 0..255, to four decimals.

        The standard deviation is 1 at least, so that photos of a single colour can be divided by
        it.
        """
        red, green, blue = (round(total / self.pixels, 4) for total in self.sums)
        red_std, green_std, blue_std = (
            max(round(_deviation(self.pixels, total, squares), 4), _MIN_STD)
            for total, squares in zip(self.sums, self.squares, strict=True)
        )
        return (red, green, blue), (red_std, green_std, blue_std)


def _deviation(pixels: int, total: int, squares: int) -> float:
    # Multiplied out in integers: floats would lose the small difference of two large numbers.
    return math.sqrt(squares * pixels - total * total) / pixels
