"""Residual networks v1 (He et al. 2015): of four stages for large pictures, of three for small."""

from __future__ import annotations

from typing import Any

from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision

from training.networks.drawing import FAN_OUT, VarianceScaling
from training.networks.family import Family

ZOO_LAYERS = (18, 34, 50, 101, 152)
STAGES_200 = (3, 24, 36, 3)
"""Bottleneck units of each stage (apache/mxnet, example/image-classification/symbols/resnet.py)."""

STAGE_CHANNELS = (64, 256, 512, 1024, 2048)
SMALL_LAYERS = (20, 32, 44, 56, 110)
SMALL_CHANNELS = (16, 32, 64)


def _large(name: str) -> Any:
    """The model zoo's, without its pooling; (N, C, H, W) to (N, 512 or 2048, H / 32, W / 32).

    v1 rather than v2: each of its batch norms follows a convolution, so that an inference runtime
    folds it away, and published PyTorch weights have the same form.
    """
    layers, prefix = int(name.removeprefix("resnet")), f"{name}_"
    if layers in ZOO_LAYERS:
        network = vision.get_resnet(1, layers, prefix=prefix)
    else:
        network = vision.ResNetV1(
            vision.BottleneckV1, list(STAGES_200), list(STAGE_CHANNELS), prefix=prefix
        )
    return network.features[:-1]


def _small(name: str) -> Any:
    """6n + 2 layers (He et al. 2015, section 4.2); (N, C, H, W) to (N, 64, H / 4, W / 4)."""
    units = (int(name.removeprefix("resnet")) - 2) // 6
    network = nn.HybridSequential(prefix=f"{name}_")
    with network.name_scope():
        network.add(nn.Conv2D(SMALL_CHANNELS[0], 3, padding=1, use_bias=False))
        network.add(nn.BatchNorm(), nn.Activation("relu"))
        for number, channels in enumerate(SMALL_CHANNELS, 1):
            stage = nn.HybridSequential(prefix=f"stage{number}_")
            with stage.name_scope():
                for unit in range(units):
                    shrinks = number > 1 and unit == 0
                    stage.add(IdentityBlock(channels, 2 if shrinks else 1, prefix=""))
            network.add(stage)
    return network


class IdentityBlock(vision.BasicBlockV1):
    """A basic block whose shortcut has no parameters, even where the stage changes (option A).

    The paper's, whose counts ours are checked against; the built-in algorithm has projections.
    With stride 2 the shortcut keeps every second pixel, and zeros are its new channels.
    """

    def __init__(self, channels: int, stride: int, **kwargs: Any) -> None:
        in_channels = channels // stride
        super().__init__(channels, stride, in_channels=in_channels, **kwargs)
        self._stride = stride

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon passes it by this name
        shortcut = x
        if self._stride > 1:
            strides = (self._stride, self._stride)
            shortcut = F.Pooling(x, kernel=(1, 1), stride=strides, pool_type="max")
            shortcut = F.concat(shortcut, F.zeros_like(shortcut), dim=1)
        return F.Activation(shortcut + self.body(x), act_type="relu")


def he() -> Any:
    """He et al. 2015 (rectifiers), by the values that go out: the backward pass keeps its scale."""
    return VarianceScaling(2, FAN_OUT)


LARGE_PICTURES = Family(
    name="resnet",
    networks=tuple(f"resnet{layers}" for layers in (*ZOO_LAYERS, 200)),
    features=_large,
    initializer=he,
    smallest=28,
)
"""From 28 pixels, which become one; the built-in algorithm takes those for small pictures."""

SMALL_PICTURES = Family(
    name="resnet",
    networks=tuple(f"resnet{layers}" for layers in SMALL_LAYERS),
    features=_small,
    initializer=he,
    smallest=8,
    largest=32,
)
"""For CIFAR's 32 pixels and fewer, which the built-in algorithm counts as small too."""
