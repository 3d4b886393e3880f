"""Xception (Chollet 2016) in the form of Keras: convolutions taken apart into depth and points.

Source: keras-team/keras-applications, keras_applications/xception.py. Where Keras pads an even
picture on two sides only before it halves it, ours pads on all four; sizes and counts are equal.
"""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn

from training.networks.drawing import FAN_IN, VarianceScaling
from training.networks.family import Family
from training.networks.fashion_mnist import glorot

EPSILON = 0.001
"""Keras's, which its batch norms add to each variance."""

MIDDLE = 728
MIDDLE_BLOCKS = 8


def _features(name: str) -> Any:
    """(N, C, H, W) to (N, 2048, h, w): 299 pixels become 10, 71 become 3."""
    network = nn.HybridSequential(prefix=f"{name}_")
    with network.name_scope():
        network.add(*_convolution(32, strides=2), *_convolution(64))
        network.add(SeparableBlock(64, (128, 128), shrinks=True, starts_with_relu=False, prefix=""))
        network.add(SeparableBlock(128, (256, 256), shrinks=True, prefix=""))
        network.add(SeparableBlock(256, (MIDDLE, MIDDLE), shrinks=True, prefix=""))
        for _ in range(MIDDLE_BLOCKS):
            network.add(SeparableBlock(MIDDLE, (MIDDLE,) * 3, shrinks=False, prefix=""))
        network.add(SeparableBlock(MIDDLE, (MIDDLE, 1024), shrinks=True, prefix=""))
        network.add(*_separable(1024, 1536), nn.Activation("relu"))
        network.add(*_separable(1536, 2048), nn.Activation("relu"))
    return network


def _convolution(channels: int, strides: int = 1) -> tuple[Any, ...]:
    convolution = nn.Conv2D(channels, 3, strides, use_bias=False)
    return convolution, nn.BatchNorm(epsilon=EPSILON), nn.Activation("relu")


def _separable(in_channels: int, channels: int) -> tuple[Any, ...]:
    """3x3 within each channel, 1x1 across them, batch norm.

    The first has nine values a sum, whatever the channels: drawn by what comes in, since by what
    goes out its maps would be so small that the batch norm's epsilon counts.
    """
    depthwise = nn.Conv2D(
        in_channels,
        3,
        padding=1,
        groups=in_channels,
        in_channels=in_channels,
        use_bias=False,
        weight_initializer=VarianceScaling(2, FAN_IN),
    )
    pointwise = nn.Conv2D(channels, 1, in_channels=in_channels, use_bias=False)
    return depthwise, pointwise, nn.BatchNorm(epsilon=EPSILON)


class SeparableBlock(nn.HybridBlock):
    """Separable convolutions beside a shortcut, which is a 1x1 convolution where the block shrinks.

    Args:
        in_channels: of the maps that come in.
        channels: that each separable convolution makes.
        shrinks: whether height and width are halved, rounded up.
        starts_with_relu: False where the maps that come in have been through one.
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, ...],
        *,
        shrinks: bool,
        starts_with_relu: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.body = nn.HybridSequential(prefix="")
        self.shortcut = nn.HybridSequential(prefix="")
        for number, each in enumerate(channels):
            if number or starts_with_relu:
                self.body.add(nn.Activation("relu"))
            self.body.add(*_separable(in_channels, each))
            in_channels = each
        if shrinks:
            self.body.add(nn.MaxPool2D(3, 2, 1))
            self.shortcut.add(nn.Conv2D(in_channels, 1, 2, use_bias=False))
            self.shortcut.add(nn.BatchNorm(epsilon=EPSILON))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803 - Gluon's signature
        return self.body(x) + self.shortcut(x)


FAMILY = Family(
    name="xception",
    networks=("xception",),
    features=_features,
    initializer=glorot,
    smallest=71,
)
