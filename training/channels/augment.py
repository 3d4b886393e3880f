"""A picture is changed as an `Augmentation` allows, by numbers drawn for its place in the epoch."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.channels.augmentation import Augmentation

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
"""A picture, or several, (..., height, width, 3), red first."""

_WHITE = 255.0
_ERASED_AREA = (0.02, 0.33)
_ERASED_ASPECT = (0.3, 3.3)
_BLUR_SHARE = 0.015
_QUALITY = (20, 90)


class Draw(NamedTuple):
    """What one photo draws, each evenly from 0 to 1; a new one is put at the end, before `spare`.

    There are 24, a multiple of what Philox gives a step, so that a photo's are known from its place
    in the epoch alone, whatever was drawn before.
    """

    area: float
    aspect: float
    left: float
    upper: float
    mirror: float
    angle: float
    shear: float
    hue: float
    hsl_saturation: float
    lightness: float
    brightness: float
    contrast: float
    saturation: float
    grey: float
    blur: float
    blur_radius: float
    degrade: float
    quality: float
    erase: float
    erased_area: float
    erased_aspect: float
    erased_left: float
    erased_upper: float
    spare: float


_PHILOX_STEP = 4  # numbers of 64 bits that it makes of each value of its counter


def draws(seed: int, first: int, count: int) -> list[Draw]:
    """What `count` photos draw from the place `first` of an epoch on."""
    steps = len(Draw._fields) // _PHILOX_STEP
    bits = np.random.Philox(key=seed, counter=first * steps)
    numbers = np.random.Generator(bits).random((count, len(Draw._fields)))
    return [Draw(*row) for row in numbers.tolist()]


def augment(
    pixels: Pixels, size: int, ranges: Augmentation, draw: Draw, fill: Sequence[float]
) -> Pixels:
    """One picture, changed, (size, size, 3).

    Args:
        pixels: (side, side, 3).
        size: Of the result; a smaller one is cut from the whole picture, not from a reduced one.
        ranges: How far each change may go.
        draw: How far it goes.
        fill: Red, green, blue of 0..255 where the picture has been turned away or erased. The
            mean colour is the network's zero, which says the least.
    """
    colour = tuple(round(value) for value in fill)
    image = _turned(Image.fromarray(pixels), ranges, draw, colour)
    image = _cropped(image, size, ranges, draw)
    if ranges.mirror and draw.mirror < 0.5:  # noqa: PLR2004 (every other one)
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = _jittered(_coloured(image, ranges, draw), ranges, draw)
    image = _worsened(image, ranges, draw)
    if draw.erase < ranges.random_erasing:
        image.paste(colour, _erased_box(size, draw))
    return np.asarray(image)


def _either_side(value: float, limit: float) -> float:
    return (2 * value - 1) * limit


def _turned(
    image: Image.Image, ranges: Augmentation, draw: Draw, fill: tuple[int, ...]
) -> Image.Image:
    if not ranges.rotate and not ranges.shear:
        return image
    angle = math.radians(_either_side(draw.angle, ranges.rotate))
    shear = _either_side(draw.shear, ranges.shear)
    cosine, sine = math.cos(angle), math.sin(angle)
    a, b, d, e = cosine, sine + shear * cosine, -sine, cosine - shear * sine
    x, y = image.width / 2, image.height / 2
    # Pillow asks where each pixel of the result comes from; the middle stays where it is.
    inverse = (a, b, x - a * x - b * y, d, e, y - d * x - e * y)
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        inverse,
        Image.Resampling.BILINEAR,
        fillcolor=fill,
    )


def _cropped(image: Image.Image, size: int, ranges: Augmentation, draw: Draw) -> Image.Image:
    area = ranges.min_area + draw.area * (1 - ranges.min_area)
    stretch = math.exp(_either_side(draw.aspect, math.log1p(ranges.max_aspect)) / 2)
    width = min(1.0, math.sqrt(area) * stretch) * image.width
    height = min(1.0, math.sqrt(area) / stretch) * image.height
    left, upper = draw.left * (image.width - width), draw.upper * (image.height - height)
    if (width, height) == (size, size):
        return image
    # Where it shrinks, every pixel counts once and none aliases; where it grows, none is repeated.
    enlarges = width < size or height < size
    filter_ = Image.Resampling.BILINEAR if enlarges else Image.Resampling.BOX
    return image.resize((size, size), filter_, (left, upper, left + width, upper + height))


def _coloured(image: Image.Image, ranges: Augmentation, draw: Draw) -> Image.Image:
    """Hue, saturation and lightness moved as in OpenCV's 8-bit HLS, and clipped at its ends.

    Hue is a circle here (MXNet clips it at red), and what has no colour gets none.
    """
    if hue := round(_either_side(draw.hue, ranges.hue) * 256 / 180):
        bands = list(image.convert("HSV").split())
        bands[0] = bands[0].point([(value + hue) % 256 for value in range(256)])
        image = Image.merge("HSV", bands).convert("RGB")
    if not ranges.hsl_saturation and not ranges.lightness:
        return image
    more = np.float32(_either_side(draw.hsl_saturation, ranges.hsl_saturation) / _WHITE)
    lighter = np.float32(_either_side(draw.lightness, ranges.lightness))
    planes = [np.asarray(band, np.float32) for band in image.split()]
    highest = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
    lowest = np.minimum(np.minimum(planes[0], planes[1]), planes[2])
    light, chroma = (highest + lowest) / 2, highest - lowest
    saturated = np.clip(chroma / np.maximum(_room(light), 1) + more, 0, 1)
    lit = np.clip(light + lighter, 0, _WHITE)
    scale = saturated * _room(lit) / np.maximum(chroma, 1)
    moved = [np.clip(lit + (plane - light) * scale + 0.5, 0, _WHITE) for plane in planes]
    return Image.fromarray(np.stack(moved, axis=-1).astype(np.uint8))


def _room(light: Any) -> Any:
    """The largest difference between channels that a lightness of 0..255 allows."""
    return _WHITE - np.abs(2 * light - _WHITE)


def _jittered(image: Image.Image, ranges: Augmentation, draw: Draw) -> Image.Image:
    for enhance, value, limit in (
        (ImageEnhance.Brightness, draw.brightness, ranges.brightness),
        (ImageEnhance.Contrast, draw.contrast, ranges.contrast),
        (ImageEnhance.Color, draw.saturation, ranges.saturation),
    ):
        if limit:
            image = enhance(image).enhance(1 + _either_side(value, limit))
    return image.convert("L").convert("RGB") if draw.grey < ranges.grey else image


def _worsened(image: Image.Image, ranges: Augmentation, draw: Draw) -> Image.Image:
    if draw.blur < ranges.blur:
        radius = draw.blur_radius * _BLUR_SHARE * image.width
        image = image.filter(ImageFilter.GaussianBlur(radius))
    if draw.degrade < ranges.degrade:
        buffer = io.BytesIO()
        low, high = _QUALITY
        image.save(buffer, "JPEG", quality=low + round(draw.quality * (high - low)))
        image = Image.open(buffer)
        image.load()
    return image


def _erased_box(size: int, draw: Draw) -> tuple[int, int, int, int]:
    """Left, upper, right, lower of the rectangle that is painted over."""
    low, high = _ERASED_AREA
    area = low + draw.erased_area * (high - low)
    narrow, wide = (math.log(value) for value in _ERASED_ASPECT)
    stretch = math.exp((narrow + draw.erased_aspect * (wide - narrow)) / 2)
    width = max(1, round(min(1.0, math.sqrt(area) * stretch) * size))
    height = max(1, round(min(1.0, math.sqrt(area) / stretch) * size))
    left = round(draw.erased_left * (size - width))
    upper = round(draw.erased_upper * (size - height))
    return left, upper, left + width, upper + height
