"""Mean and standard deviation of the training photos, by channel, from exact integer sums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

RGB: TypeAlias = tuple[float, float, float]
"""One value each for red, green and blue."""

_LEVELS = np.arange(256)
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
        red, green, blue = (counts @ _LEVELS).tolist()
        red_squares, green_squares, blue_squares = (counts @ _LEVELS**2).tolist()
        return cls(
            pixels=image.width * image.height,
            sums=(red, green, blue),
            squares=(red_squares, green_squares, blue_squares),
        )


def mean_and_std(moments: Iterable[Moments]) -> tuple[RGB, RGB]:
    """Mean and standard deviation by channel over all pixels, 0..255, to four decimals.

    The standard deviation is 1 at least, so that photos of a single colour can be divided by it.
    """
    all_moments = list(moments)
    pixels = sum(moment.pixels for moment in all_moments)
    channels = [
        _channel_mean_and_std(
            pixels,
            sum(moment.sums[channel] for moment in all_moments),
            sum(moment.squares[channel] for moment in all_moments),
        )
        for channel in range(len("RGB"))
    ]
    (red, red_std), (green, green_std), (blue, blue_std) = channels
    return (red, green, blue), (red_std, green_std, blue_std)


def _channel_mean_and_std(pixels: int, total: int, squares: int) -> tuple[float, float]:
    # Multiplied out in integers: floats would lose the small difference of two large numbers.
    deviation = math.sqrt(squares * pixels - total * total) / pixels
    return round(total / pixels, 4), max(round(deviation, 4), _MIN_STD)
