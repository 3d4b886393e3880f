"""Inception V3 (Szegedy et al. 2015) in the form of Keras, which Cdiscount's classifier had.

Its batch norms have no scale, the averages beside a branch leave padding out, and there is no
auxiliary classifier (keras-team/keras-applications, keras_applications/inception_v3.py).
"""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn
from mxnet.gluon.contrib.nn import HybridConcurrent

from training.networks.family import Family
from training.networks.fashion_mnist import glorot

EPSILON = 0.001
"""Keras's, which its batch norms add to each variance."""

Kernel = int | tuple[int, int]
WIDE, TALL = (1, 7), (7, 1)


def _features(name: str) -> Any:
    """(N, C, H, W) to (N, 2048, h, w): 299 pixels become 8, 180 become 4, 75 become 1."""
    network = nn.HybridSequential(prefix=f"{name}_")
    with network.name_scope():
        network.add(_shrink(32), _convolution(32, 3, padding=0), _convolution(64, 3))
        network.add(nn.MaxPool2D(3, 2))
        network.add(_convolution(80, 1), _convolution(192, 3, padding=0))
        network.add(nn.MaxPool2D(3, 2))
        for pooled in (32, 64, 64):
            network.add(_mixed_5x5(pooled))
        network.add(_to_768())
        for channels in (128, 160, 160, 192):
            network.add(_mixed_7x7(channels))
        network.add(_to_1280())
        network.add(_mixed_wide_and_tall(), _mixed_wide_and_tall())
    return network


def _convolution(
    channels: int, kernel: Kernel, strides: int = 1, padding: int | None = None
) -> Any:
    """With batch norm and ReLU; padded so that the size stays, unless told otherwise."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    pads = tuple(side // 2 for side in sides) if padding is None else (padding, padding)
    return _chain(
        nn.Conv2D(channels, sides, strides, pads, use_bias=False),
        nn.BatchNorm(epsilon=EPSILON, scale=False),
        nn.Activation("relu"),
    )


def _shrink(channels: int) -> Any:
    return _convolution(channels, 3, strides=2, padding=0)


def _chain(*blocks: Any) -> Any:
    chain = nn.HybridSequential(prefix="")
    chain.add(*blocks)
    return chain


def _branches(*branches: Any) -> Any:
    """Side by side on the same maps; their channels one after the other."""
    block = HybridConcurrent(axis=1, prefix="")
    block.add(*branches)
    return block


def _averaged(channels: int) -> Any:
    average = nn.AvgPool2D(3, 1, 1, count_include_pad=False)
    return _chain(average, _convolution(channels, 1))


def _mixed_5x5(pooled: int) -> Any:
    return _branches(
        _convolution(64, 1),
        _chain(_convolution(48, 1), _convolution(64, 5)),
        _chain(_convolution(64, 1), _convolution(96, 3), _convolution(96, 3)),
        _averaged(pooled),
    )


def _to_768() -> Any:
    return _branches(
        _shrink(384),
        _chain(_convolution(64, 1), _convolution(96, 3), _shrink(96)),
        nn.MaxPool2D(3, 2),
    )


def _mixed_7x7(channels: int) -> Any:
    """7x7 convolutions taken apart into a wide and a tall one, `channels` in between."""
    return _branches(
        _convolution(192, 1),
        _chain(
            _convolution(channels, 1),
            _convolution(channels, WIDE),
            _convolution(192, TALL),
        ),
        _chain(
            _convolution(channels, 1),
            _convolution(channels, TALL),
            _convolution(channels, WIDE),
            _convolution(channels, TALL),
            _convolution(192, WIDE),
        ),
        _averaged(192),
    )


def _to_1280() -> Any:
    return _branches(
        _chain(_convolution(192, 1), _shrink(320)),
        _chain(
            _convolution(192, 1), _convolution(192, WIDE), _convolution(192, TALL), _shrink(192)
        ),
        nn.MaxPool2D(3, 2),
    )


def _mixed_wide_and_tall() -> Any:
    return _branches(
        _convolution(320, 1),
        _chain(_convolution(384, 1), _wide_and_tall()),
        _chain(_convolution(448, 1), _convolution(384, 3), _wide_and_tall()),
        _averaged(192),
    )


def _wide_and_tall() -> Any:
    return _branches(_convolution(384, (1, 3)), _convolution(384, (3, 1)))


FAMILY = Family(
    name="inception_v3",
    networks=("inception_v3",),
    features=_features,
    initializer=glorot,
    smallest=75,
)
