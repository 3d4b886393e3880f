"""The two networks for Fashion-MNIST's 28 pixels that we were asked for, and one's plain variant.

As Keras would build them: no padding, pooling that drops an odd last row, Glorot's uniform start.
"""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn

from training.networks.drawing import FAN_AVG, UNIFORM, VarianceScaling
from training.networks.family import POOL, Family

SIZE = 28
REFUND_DROPOUT = 0.5
CONTEST_DROPOUT = 0.25
"""Our choice: where the contest's network drops is written down, how much is not."""

PLAIN = "contest_cnn_plain"


def _convolutions(name: str, channels: tuple[int, ...], dropout: float = 0) -> Any:
    """3x3 convolutions with ReLU; all but a third are followed by pooling, and dropout if any."""
    network = nn.HybridSequential(prefix=f"{name}_")
    with network.name_scope():
        for number, each in enumerate(channels):
            network.add(nn.Conv2D(each, 3, activation="relu"))
            if number < 2:  # noqa: PLR2004 - two poolings leave 5 pixels, a third would leave 1
                network.add(nn.MaxPool2D(2))
                if dropout:
                    network.add(nn.Dropout(dropout))
    return network


def _dense(name: str, units: tuple[tuple[int, float], ...], num_classes: int) -> Any:
    """Dense layers with ReLU, each with the dropout behind it, and the logits."""
    end = nn.HybridSequential(prefix=f"{name}_")
    with end.name_scope():
        for each, dropout in units:
            end.add(nn.Dense(each, activation="relu"))
            if dropout:
                end.add(nn.Dropout(dropout))
        end.add(nn.Dense(num_classes))
    return end


def _refund_features(name: str) -> Any:
    return _convolutions(name, (32, 64, 128))


def _refund_end(name: str, num_classes: int) -> Any:
    return _dense(name, ((128, REFUND_DROPOUT),), num_classes)


def _contest_features(name: str) -> Any:
    if name == PLAIN:
        return _convolutions(name, (32, 64))
    return _convolutions(name, (32, 64, 128), CONTEST_DROPOUT)


def _contest_end(name: str, num_classes: int) -> Any:
    if name == PLAIN:
        return _dense(name, ((256, 0), (512, 0)), num_classes)
    units = ((256, CONTEST_DROPOUT), (256, CONTEST_DROPOUT), (512, 0))
    return _dense(name, units, num_classes)


def glorot() -> Any:
    """Glorot and Bengio 2010, uniform: Keras's start of every layer."""
    return VarianceScaling(1, FAN_AVG, UNIFORM)


REFUND = Family(
    name="refund_cnn",
    networks=("refund_cnn",),
    features=_refund_features,
    initializer=glorot,
    smallest=SIZE,
    largest=SIZE,
    heads=(POOL,),
    end=_refund_end,
)

CONTEST = Family(
    name="contest_cnn",
    networks=("contest_cnn", PLAIN),
    features=_contest_features,
    initializer=glorot,
    smallest=SIZE,
    largest=SIZE,
    heads=(POOL,),
    end=_contest_end,
)
