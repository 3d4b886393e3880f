"""ResNet-9: wide and shallow, for pictures of 28 or 32 pixels and little time on a processor.

David Page's entry to the DAWNBench contest (2018): a convolution, three more that each halve the
picture, and a residual unit behind the first and the last of these. For as many multiplications it
learns faster than the deep and narrow ResNets of He et al.
"""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn

from training.networks.family import Family
from training.networks.resnet import he

NAME = "resnet9"
WIDTHS = {NAME: 64, f"{NAME}-w32": 32, f"{NAME}-w24": 24}
"""Channels of the first convolution, by network; each of the three stages has twice as many as
what is before it. 64 is the published one."""


def _features(name: str) -> Any:
    """(N, C, H, W) to (N, 8 * width, H / 8, W / 8), odd sides rounded up."""
    width = WIDTHS[name]
    network = nn.HybridSequential(prefix=f"{name}_")
    with network.name_scope():
        _add_convolution(network, width)
        for number in (1, 2, 3):
            _add_convolution(network, width << number)
            network.add(nn.MaxPool2D(2, ceil_mode=True))
            if number != 2:  # noqa: PLR2004 - the middle stage has no unit
                network.add(Unit(width << number, prefix=f"unit{number}_"))
    return network


def _add_convolution(sequence: Any, channels: int) -> None:
    sequence.add(nn.Conv2D(channels, 3, padding=1, use_bias=False))
    sequence.add(nn.BatchNorm(), nn.Activation("relu"))


class Unit(nn.HybridBlock):
    """Two convolutions whose result, behind its ReLU, is added to what came in."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = nn.HybridSequential(prefix="")
            for _ in range(2):
                _add_convolution(self.body, channels)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803 - Gluon's signature
        return x + self.body(x)


FAMILY = Family(
    name=NAME,
    networks=tuple(WIDTHS),
    features=_features,
    initializer=he,
    smallest=8,
    largest=64,
)
"""With the heads of all networks, where the original takes each map's maximum: a mean can be laid
over the photo, to show what spoke for a category."""
