"""How a network ends: from feature maps (N, F, h, w) to logits (N, num_classes)."""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn

from training.networks.drawing import FAN_IN, VarianceScaling
from training.networks.family import CONV, POOL

CONV_CHANNELS = 512
"""Of the 1x1 convolution, as in Cdiscount's classifier."""


def build_head(head: str, name: str, num_classes: int, dropout: float) -> Any:
    """One of `family.HEADS`; its parameters' names begin with `name` and `_`.

    `pool` averages each map. `flatten` takes every value of every map. `conv` is Cdiscount's:
    batch norm, a 1x1 convolution to 512 maps, batch norm, ReLU, then as `flatten`; the maps that
    come in have been through an activation already, so that there is none before the convolution.
    Dropout is the last thing before the dense layer in all three.

    The dense layer's weights are drawn with variance 1 / values that come in (LeCun et al. 1998),
    so that the first logits are about 1 in size: drawn by what goes out, as convolutions are, the
    first loss was 7 to 9 instead of 2.3 for a ResNet-18 and ten classes, and 20 to 50 for deeper
    networks and fewer classes.
    """
    layers = nn.HybridSequential(prefix=f"{name}_head_")
    with layers.name_scope():
        if head == POOL:
            layers.add(nn.GlobalAvgPool2D())
        elif head == CONV:
            layers.add(nn.BatchNorm(), nn.Conv2D(CONV_CHANNELS, 1))
            layers.add(nn.BatchNorm(), nn.Activation("relu"))
        layers.add(nn.Flatten())
        if dropout:
            layers.add(nn.Dropout(dropout))
    end = nn.HybridSequential(prefix="")
    # The model zoo's name for it, which trained ResNets have.
    draw = VarianceScaling(1, FAN_IN)
    end.add(layers, nn.Dense(num_classes, weight_initializer=draw, prefix=f"{name}_dense0_"))
    return end
