"""How the EfficientNets follow from one table: B0's stages, made wider and deeper.

Block table, scaling and rounding are those of TensorFlow's reference
(tensorflow/tpu, models/official/efficientnet: `efficientnet_builder.py`, and
`efficientnet_lite_builder.py` in `lite`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_DEPTH_DIVISOR = 8
STEM, HEAD = 32, 1280
"""Channels of the first and of the last convolution of B0."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One network of the family.

    Attributes:
        width: Factor of the channels.
        depth: Factor of the blocks a stage.
        size: Side of the pictures that it was designed for, in pixels.
        lite: Without squeeze-and-excitation, with ReLU6, its stem and head not scaled.
    """

    width: float
    depth: float
    size: int
    lite: bool = False


VARIANTS: Final[dict[str, Variant]] = {
    "efficientnet-lite0": Variant(1.0, 1.0, 224, lite=True),
    "efficientnet-lite1": Variant(1.0, 1.1, 240, lite=True),
    "efficientnet-lite2": Variant(1.1, 1.2, 260, lite=True),
    "efficientnet-lite3": Variant(1.2, 1.4, 280, lite=True),
    "efficientnet-lite4": Variant(1.4, 1.8, 300, lite=True),
    "efficientnet-b0": Variant(1.0, 1.0, 224),
    "efficientnet-b1": Variant(1.0, 1.1, 240),
    "efficientnet-b2": Variant(1.1, 1.2, 260),
    "efficientnet-b3": Variant(1.2, 1.4, 300),
    "efficientnet-b4": Variant(1.4, 1.8, 380),
    "efficientnet-b5": Variant(1.6, 2.2, 456),
    "efficientnet-b6": Variant(1.8, 2.6, 528),
    "efficientnet-b7": Variant(2.0, 3.1, 600),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; the first may halve the picture."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES: Final = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Of B0, before scaling."""


def scaled_channels(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 that loses at most a tenth."""
    wanted = channels * width
    nearest = max(_DEPTH_DIVISOR, int(wanted + _DEPTH_DIVISOR / 2) // _DEPTH_DIVISOR * 8)
    return nearest + _DEPTH_DIVISOR if nearest < 0.9 * wanted else nearest


def scaled_blocks(variant: Variant) -> list[tuple[int, Stage]]:
    """Each block as (input channels, what it does); repeats are written out."""
    blocks = []
    inputs = STEM if variant.lite else scaled_channels(STEM, variant.width)
    for number, stage in enumerate(STAGES):
        fixed = variant.lite and number in {0, len(STAGES) - 1}
        repeats = stage.repeats if fixed else math.ceil(variant.depth * stage.repeats)
        channels = scaled_channels(stage.channels, variant.width)
        for repeat in range(repeats):
            stride = 1 if repeat else stage.stride
            blocks.append((inputs, Stage(1, stage.kernel, stride, stage.expansion, channels)))
            inputs = channels
    return blocks
