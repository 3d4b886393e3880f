"""A picture is changed as an `Augmentation` allows, by numbers drawn for its place in the epoch."""

from __future__ import annotations

import functools
import io
import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.channels.augmentation import Augmentation

Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
"""A picture, or several, (..., height, width, 3), red first."""

_WHITE = 255.0
_PILLOW_HUES = 256
_OPENCV_HUES = 180
_PIXELS_AT_ONCE = 1 << 15  # so few that a plane of them stays in a core's own cache
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
    pictures: Sequence[Pixels],
    size: int,
    ranges: Augmentation,
    drawn: Sequence[Draw],
    fill: Sequence[float],
) -> Pixels:
    """Change pictures, each by its own numbers.

    Args:
        pictures: N of (side, side, 3).
        size: Of the result; a smaller one is cut from the whole picture, not from a reduced one.
        ranges: How far each change may go.
        drawn: How far it goes, for each picture.
        fill: Red, green, blue of 0..255 where the picture has been turned away or erased. The
            mean colour is the network's zero, which says the least.

    Returns:
        (N, size, size, 3).
    """
    colour = (round(fill[0]), round(fill[1]), round(fill[2]))
    pixels = np.empty((len(pictures), size, size, 3), np.uint8)
    for place, (picture, draw) in enumerate(zip(pictures, drawn, strict=True)):
        pixels[place] = _shaped(Image.fromarray(picture), size, ranges, draw, colour)
    if ranges.hsl_saturation or ranges.lightness:
        _move_saturation_and_lightness(pixels, ranges, drawn)
    for place, draw in enumerate(drawn):
        changes = _finishing(ranges, draw)
        if changes:
            image = Image.fromarray(pixels[place])
            for change in changes:
                image = change(image)
            pixels[place] = image
        if draw.erase < ranges.random_erasing:
            left, upper, right, lower = _erased_box(size, draw)
            pixels[place, upper:lower, left:right] = colour
    return pixels


def _shaped(
    image: Image.Image, size: int, ranges: Augmentation, draw: Draw, colour: tuple[int, ...]
) -> Image.Image:
    """Turned, cut, mirrored, and its hue moved."""
    image = _cropped(_turned(image, ranges, draw, colour), size, ranges, draw)
    if ranges.mirror and draw.mirror < 0.5:  # noqa: PLR2004 (every other one)
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _hue_moved(image, ranges, draw) if ranges.hue else image


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
    if ranges.padding:
        image = _padded(image, ranges.padding)
    if (width, height) == (size, size):
        return _cut(image, size, draw)
    left, upper = draw.left * (image.width - width), draw.upper * (image.height - height)
    # Where it shrinks, every pixel counts once and none aliases; where it grows, none is repeated.
    enlarges = width < size or height < size
    filter_ = Image.Resampling.BILINEAR if enlarges else Image.Resampling.BOX
    return image.resize((size, size), filter_, (left, upper, left + width, upper + height))


def _padded(image: Image.Image, padding: int) -> Image.Image:
    """With its own reflection on each side, the edge's pixels once."""
    index = _reflection(image.width, padding)
    return Image.fromarray(np.asarray(image)[index][:, index])


@functools.cache
def _reflection(side: int, padding: int) -> Any:
    return np.pad(np.arange(side), padding, mode="reflect")


def _cut(image: Image.Image, size: int, draw: Draw) -> Image.Image:
    """At whole pixels: what is not scaled stays as sharp as it was."""
    left, upper = _step(draw.left, image.width - size), _step(draw.upper, image.height - size)
    return image.crop((left, upper, left + size, upper + size))


def _step(value: float, last: int) -> int:
    """One of 0 to `last`, each as likely as any other."""
    return min(int(value * (last + 1)), last)


def _hue_moved(image: Image.Image, ranges: Augmentation, draw: Draw) -> Image.Image:
    """Hue is a circle here, where MXNet stops at either of its ends, which is red."""
    steps = round(_either_side(draw.hue, ranges.hue) * _PILLOW_HUES / _OPENCV_HUES)
    hue, saturation, value = image.convert("HSV").split()
    moved = hue.point([(step + steps) % _PILLOW_HUES for step in range(_PILLOW_HUES)])
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def _move_saturation_and_lightness(
    pixels: Pixels, ranges: Augmentation, drawn: Sequence[Draw]
) -> None:
    """Both added as in OpenCV's 8-bit HLS, and clipped at its ends, in place.

    With the hue as it is that is a scale about the lightness, alike for the three channels. What
    has no colour gets none.
    """
    more = np.array([_either_side(draw.hsl_saturation, ranges.hsl_saturation) for draw in drawn])
    lighter = np.array([_either_side(draw.lightness, ranges.lightness) for draw in drawn])
    step = max(1, _PIXELS_AT_ONCE // (pixels.shape[1] * pixels.shape[2]))
    for start in range(0, len(pixels), step):
        some = slice(start, start + step)
        _move(
            pixels[some],
            (more[some, None, None] / _WHITE).astype(np.float32),
            lighter[some, None, None].astype(np.float32),
        )


def _move(pixels: Pixels, more: Any, lighter: Any) -> None:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue).astype(np.float32)
    lowest = np.minimum(np.minimum(red, green), blue).astype(np.float32)
    light, chroma = (highest + lowest) / 2, highest - lowest
    saturated = np.clip(chroma / np.maximum(_room(light), 1) + more, 0, 1)
    lit = np.clip(light + lighter, 0, _WHITE)
    scale = saturated * _room(lit) / np.maximum(chroma, 1)
    lit += np.float32(0.5) - light * scale
    for plane in (red, green, blue):
        plane[:] = np.clip(plane * scale + lit, 0, _WHITE)


def _room(light: Any) -> Any:
    """The largest difference between channels that a lightness of 0..255 allows."""
    return np.float32(_WHITE) - np.abs(2 * light - np.float32(_WHITE))


def _finishing(ranges: Augmentation, draw: Draw) -> list[Callable[[Image.Image], Image.Image]]:
    """What is still to be done to a picture, in order."""
    changes: list[Callable[[Image.Image], Image.Image]] = []
    for enhance, value, limit in (
        (ImageEnhance.Brightness, draw.brightness, ranges.brightness),
        (ImageEnhance.Contrast, draw.contrast, ranges.contrast),
        (ImageEnhance.Color, draw.saturation, ranges.saturation),
    ):
        if limit:
            factor = 1 + _either_side(value, limit)
            changes.append(functools.partial(_enhanced, enhance, factor))
    if draw.grey < ranges.grey:
        changes.append(lambda image: image.convert("L").convert("RGB"))
    if draw.blur < ranges.blur:
        changes.append(functools.partial(_blurred, draw.blur_radius * _BLUR_SHARE))
    if draw.degrade < ranges.degrade:
        low, high = _QUALITY
        changes.append(functools.partial(_degraded, low + round(draw.quality * (high - low))))
    return changes


def _enhanced(enhance: Any, factor: float, image: Image.Image) -> Image.Image:
    enhanced: Image.Image = enhance(image).enhance(factor)
    return enhanced


def _blurred(share: float, image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * image.width))


def _degraded(quality: int, image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as degraded:
        degraded.load()
        return degraded


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
