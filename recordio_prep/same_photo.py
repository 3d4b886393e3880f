"""Whether two prepared photos show the same photo: re-encoded, resized, cropped a little, marked.

A perceptual hash alone cannot tell. Of 6,281 real photos, 49 pairs are within six bits of each
other, and one of them shows the same; of Fashion-MNIST's 70,000 there are 864,399. So the pictures
themselves are laid over each other (a scale and a shift of each axis, one gain, one offset, found
by Gauss-Newton steps), and what is left over decides:

- `MAX_RESIDUAL` over the whole picture, and
- `MAX_EDGE_RESIDUAL` where the picture has edges: another photo of the same kind of product agrees
  in its plain background, but not there, while a watermark touches few of the edges.

Measured on 957 real photos (a fifth of a marketplace's and of phone photos of clothes), each saved
another way, share that is found: hash within six bits / what is compared here / both.

| saved as | hash | same | both |
|---|---|---|---|
| PNG, WebP q75, JPEG q60, JPEG q30, 10 % darker | 1.00 | 1.00 | 1.00 |
| half the size | 1.00 | .99 | .99 |
| 10 % brighter (some of it clipped) | 1.00 | .98 | .98 |
| watermark in a corner | .94 | .94 | .89 |
| 3 % cropped on every side | .52 | .95 | .49 |
| 5 % cropped on one side | .47 | .92 | .43 |
| 5 % cropped on every side | .10 | .52 | .05 |

Precision: of the 888 pairs of the 6,281 real photos within ten bits, 2 pass, and both show the same
(one of them under two categories). Of Fashion-MNIST, 245 of 70,000 photos form 111 families: by
eye the same article, some in another shade or with another print, which 28 pixels cannot tell.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Grey: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

MAX_RESIDUAL = 9.0
"""Root mean square, in grey levels of 0..255, over all pixels and channels."""

MAX_EDGE_RESIDUAL = 5.0
"""Median, in the same units, over the quarter of the pixels with the steepest edges."""

_MAX_GAIN = 1.25
_MAX_WARP = 0.12  # of the side: a crop of 5 % on both sides is a scale of 0.11
_MAX_STEP = 0.06
_HOPELESS = (20.0, 14.0, 12.0, 12.0)  # predicted residual that ends the search, by step
_ALIGNED = 1.5  # residual that no step would better

_THUMBNAIL = 56  # the picture that is warped, pixels
_SIDE = 28  # the picture that is compared
_INNER = _SIDE - 2  # without its border, which has no gradient
_ACROSS = ((np.arange(_INNER) - (_INNER - 1) / 2) / _SIDE).astype(np.float32)[None, :, None]
_DOWN = _ACROSS.transpose(1, 0, 2)
_EDGE_SHARE = 0.75


def thumbnail(payload: bytes) -> Image.Image:
    """A prepared photo of any size as the small RGB picture that `show_same` compares."""
    with Image.open(io.BytesIO(payload)) as image:
        size = (_THUMBNAIL, _THUMBNAIL)
        return image.convert("RGB").resize(size, Image.Resampling.BILINEAR)


def luminance(picture: Image.Image) -> Grey:
    """A thumbnail's grey picture for `may_show_same`."""
    return np.asarray(picture.convert("L").reduce(_THUMBNAIL // _SIDE))


def may_show_same(ones: Grey, others: Grey) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether pairs are worth `show_same`, at a tenth of its price: its first step, in grey.

    Args:
        ones: Shape (N, 28, 28).
        others: Of the same shape.
    """
    pixels = ones.astype(np.float32)[..., None]
    columns = _columns(pixels)
    targets = others[:, 1:-1, 1:-1].reshape(len(others), -1, 1).astype(np.float32)
    products = columns @ columns.transpose(0, 2, 1) + np.eye(6, dtype=np.float32) * _INNER**2 * 1e-4
    against = columns @ targets
    mixtures = np.linalg.solve(products, against)
    left = (targets**2).sum(axis=(1, 2)) - (against * mixtures).sum(axis=(1, 2))
    return np.asarray(left <= _HOPELESS[0] ** 2 * _INNER**2)


def show_same(one: Image.Image, other: Image.Image) -> bool:
    """Whether one thumbnail, warped a little and with gain and offset, is the other."""
    target = _pixels(other)[1:-1, 1:-1].ravel().astype(np.float64)
    warp = np.zeros(4)
    best: _Fit | None = None
    for hopeless in _HOPELESS:
        fit = _Fit.of(_pixels(_warped(one, warp)), target)
        if best is None or fit.residual < best.residual:
            best = fit
        if fit.predicted > hopeless or fit.residual < _ALIGNED:
            break
        warp = np.clip(warp + fit.step, -_MAX_WARP, _MAX_WARP)
    return best is not None and best.is_same(target)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well `gain * picture + offset` matches a target, and how to warp the picture next.

    Attributes:
        columns: Shape (6, pixels * 3): the gradients by shift and scale of x and y, the picture,
            ones. The target is a linear mixture of them as long as the warp is small.
        residual: Root mean square without a further warp, grey levels.
        predicted: The same with the further warp, as far as the mixture holds.
        step: What to add to the warp: shift and scale of x, of y, in parts of the side.
    """

    columns: Array
    gain: float
    offset: float
    residual: float
    predicted: float
    step: Array

    @classmethod
    def of(cls, pixels: Pixels, target: Array) -> _Fit:
        columns = _columns(pixels).astype(np.float64)
        products, against = columns @ columns.T, columns @ target
        products += np.eye(len(products)) * 1e-6 * target.size  # a flat picture has no gradient
        gain, offset = np.linalg.solve(products[4:, 4:], against[4:])
        mixture = np.linalg.solve(products, against)
        energy = float(target @ target)
        left = energy - float(against[4:] @ (gain, offset))
        step = mixture[:4] / (mixture[4] if abs(mixture[4]) > 1 / 2 else 1)
        return cls(
            columns=columns,
            gain=float(gain),
            offset=float(offset),
            residual=_root_mean(left, target.size),
            predicted=_root_mean(energy - float(against @ mixture), target.size),
            step=np.clip(step, -_MAX_STEP, _MAX_STEP),
        )

    def is_same(self, target: Array) -> bool:
        if self.residual > MAX_RESIDUAL or not 1 / _MAX_GAIN <= self.gain <= _MAX_GAIN:
            return False
        left = _strongest(target - self.gain * self.columns[4] - self.offset)
        steepness = _strongest(np.hypot(self.columns[0], self.columns[2]))
        edges = steepness >= np.quantile(steepness, _EDGE_SHARE)
        return bool(np.median(left[edges]) <= MAX_EDGE_RESIDUAL)


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.reduce(_THUMBNAIL // _SIDE), dtype=np.float32)


def _warped(image: Image.Image, warp: Array) -> Image.Image:
    """The picture with each axis scaled about its middle and shifted, in parts of its side."""
    if not warp.any():
        return image
    (shift_x, scale_x, shift_y, scale_y), size = warp.tolist(), _THUMBNAIL
    left, top = shift_x * size - scale_x * size / 2, shift_y * size - scale_y * size / 2
    return image.transform(
        (size, size),
        Image.Transform.AFFINE,
        (1 + scale_x, 0, left, 0, 1 + scale_y, top),
        Image.Resampling.BILINEAR,
    )


def _columns(pixels: Pixels) -> Pixels:
    """What a target is mixed of, shape (..., 6, pixels), for pictures (..., height, width, C)."""
    inner = pixels[..., 1:-1, 1:-1, :]
    right = (pixels[..., 1:-1, 2:, :] - pixels[..., 1:-1, :-2, :]) * np.float32(_SIDE / 2)
    down = (pixels[..., 2:, 1:-1, :] - pixels[..., :-2, 1:-1, :]) * np.float32(_SIDE / 2)
    parts = (right, right * _ACROSS, down, down * _DOWN, inner, np.ones_like(inner))
    stacked = np.stack(parts, axis=-4)
    columns: Pixels = stacked.reshape(*stacked.shape[:-3], -1)
    return columns


def _strongest(values: Array) -> Array:
    """The largest magnitude of the three channels, by pixel."""
    strongest: Array = np.abs(values).reshape(-1, 3).max(axis=1)
    return strongest


def _root_mean(squares: float, count: int) -> float:
    return float(np.sqrt(max(0.0, squares) / count))
