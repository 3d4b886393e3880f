"""EfficientNet-Lite0 to Lite4 and B0 to B7 as Gluon blocks (Tan and Le 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mxnet.gluon import HybridBlock, nn

from contracts import TrainingError
from training.networks.drawing import FAN_IN, FAN_OUT, VarianceScaling
from training.networks.efficientnet_scaling import (
    HEAD,
    STEM,
    VARIANTS,
    scaled_blocks,
    scaled_channels,
)
from training.networks.family import Family

if TYPE_CHECKING:
    from training.networks.efficientnet_scaling import Stage

SAME, SYMMETRIC = "same", "symmetric"
PADDINGS: Final = (SAME, SYMMETRIC)
"""TensorFlow's (at stride 2 and an even side one row more below than above), and PyTorch's.

Weights belong to one of them: those that were trained in TensorFlow to the first.
"""

EPSILON, MOMENTUM = 1e-3, 0.99
"""Of the reference's batch norms; MOMENTUM is the share of the running statistics that is kept."""

_SQUEEZE = 4


def efficientnet(
    name: str,
    num_classes: int,
    *,
    padding: str = SAME,
    epsilon: float = EPSILON,
    dropout: float = 0.0,
    drop_connect: float = 0.0,
) -> EfficientNet:
    """The network `name`, pictures (N, 3, H, W) of any size to logits (N, num_classes).

    Args:
        name: one of VARIANTS.
        num_classes: length of a row of logits.
        padding: "same" or "symmetric", as the weights that are to be loaded need it.
        epsilon: of the batch norms; 1e-5 for weights that were trained with PyTorch's default.
        dropout: probability that a feature before the output layer is dropped, 0 to below 1.
        drop_connect: probability that the last residual branch is left out (stochastic depth), 0
            to below 1; it rises linearly from 0 at the first.

    Raises:
        TrainingError: the name, the padding or a probability is none of these.
    """
    _check_probability("dropout", dropout)
    maps = feature_maps(name, padding=padding, epsilon=epsilon, drop_connect=drop_connect)
    return EfficientNet(maps, num_classes, dropout=dropout, prefix=f"{name}_")


def feature_maps(
    name: str, *, padding: str = SAME, epsilon: float = EPSILON, drop_connect: float = 0.0
) -> Any:
    """The network `name` up to its feature maps, (N, 3, H, W) to (N, C, H / 32, W / 32).

    Args and Raises: as `efficientnet`.
    """
    if name not in VARIANTS:
        raise TrainingError(f"network {name!r}: expected one of {', '.join(VARIANTS)}")
    _check_probability("drop_connect", drop_connect)
    variant, activation = VARIANTS[name], "relu6" if VARIANTS[name].lite else "swish"
    blocks = scaled_blocks(variant)
    stem, head = (
        channels if variant.lite else scaled_channels(channels, variant.width)
        for channels in (STEM, HEAD)
    )
    maps = nn.HybridSequential(prefix=f"{name}_")
    with maps.name_scope():
        maps.add(Turn(), _Convolution(3, stem, kernel=3, stride=2, activation=activation))
        for number, (inputs, stage) in enumerate(blocks):
            rate = drop_connect * number / len(blocks)
            maps.add(_Block(inputs, stage, activation, rate, squeeze=not variant.lite))
        maps.add(_Convolution(blocks[-1][1].channels, head, activation=activation), Turn())
    set_form(maps, padding=padding, epsilon=epsilon)
    return maps


def set_form(network: Any, *, padding: str, epsilon: float) -> None:
    """Give an EfficientNet, or its feature maps, the arithmetic that some weights were trained in.

    Args:
        network: from this module, or a block around it; nothing else of it may have batch norms.
        padding: "same" or "symmetric"; the kernels of the two stand the other way round in it.
        epsilon: of the batch norms.

    Raises:
        TrainingError: there is no such padding.
    """
    if padding not in PADDINGS:
        raise TrainingError(f"padding {padding!r}: expected {' or '.join(PADDINGS)}")

    def change(block: Any) -> None:
        if isinstance(block, Turn):
            block.active = padding == SAME
        elif isinstance(block, nn.BatchNorm):
            block._kwargs["eps"] = epsilon  # noqa: SLF001 - Gluon gives no other way

    network.apply(change)


def _check_probability(option: str, value: float) -> None:
    if not 0 <= value < 1:
        raise TrainingError(f"{option}={value}: expected a probability of 0 to below 1")


class EfficientNet(HybridBlock):
    """Feature maps and global pooling in `features`, then a fully-connected `output`."""

    def __init__(self, maps: Any, num_classes: int, *, dropout: float, prefix: str) -> None:
        super().__init__(prefix=prefix)
        with self.name_scope():
            self.features = maps
            self.pool = nn.GlobalAvgPool2D()
            self.drop = nn.Dropout(dropout) if dropout else None
            self.output = nn.Dense(num_classes, in_units=maps[-2].channels)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803 - Gluon's own name
        """Logits of the pictures."""
        x = self.pool(self.features(x))
        return self.output(self.drop(x) if self.drop else x)


class Turn(HybridBlock):
    """Turns pictures (N, C, H, W) by 180 degrees, where `active`.

    TensorFlow's "same" padding depends on whether a side is even, which a symbol cannot ask. But
    it is what puts a convolution's last window at the picture's end, whatever the side, just as
    symmetric padding puts the first at its beginning. So the picture is turned, the kernels are
    held turned, the padding is symmetric, and the maps are turned back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.active = False

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's own name
        return F.reverse(x, axis=(2, 3)) if self.active else F.identity(x)


class _Convolution(HybridBlock):
    """Convolution without bias, batch norm, and an activation or none."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: str = "",
    ) -> None:
        super().__init__()
        self.channels = channels
        self._activation = activation
        # MXNet counts a depthwise kernel's fan-out over all channels, so that its own drawing is
        # too small by their square root, and comes near the batch norm's epsilon.
        drawn = VarianceScaling(2, FAN_IN) if groups > 1 else None
        with self.name_scope():
            self.conv = nn.Conv2D(
                channels,
                kernel,
                stride,
                kernel // 2,
                groups=groups,
                use_bias=False,
                in_channels=inputs,
                weight_initializer=drawn,
            )
            self.norm = nn.BatchNorm(momentum=MOMENTUM, in_channels=channels)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's own name
        return _activate(F, self.norm(self.conv(x)), self._activation)


def _activate(F: Any, x: Any, activation: str) -> Any:  # noqa: N803 - Gluon's own name
    if activation == "relu6":
        return F.clip(x, 0, 6)
    return x * F.sigmoid(x) if activation else x


class _Block(HybridBlock):
    """An inverted residual (Sandler et al. 2018) with squeeze-and-excitation (Hu et al. 2018)."""

    def __init__(
        self, inputs: int, stage: Stage, activation: str, drop_connect: float, *, squeeze: bool
    ) -> None:
        super().__init__()
        width = inputs * stage.expansion
        self._residual = stage.stride == 1 and inputs == stage.channels
        with self.name_scope():
            self.expand = (
                _Convolution(inputs, width, activation=activation) if stage.expansion > 1 else None
            )
            self.depthwise = _Convolution(
                width,
                width,
                kernel=stage.kernel,
                stride=stage.stride,
                groups=width,
                activation=activation,
            )
            self.squeeze = _Squeeze(width, max(1, inputs // _SQUEEZE)) if squeeze else None
            self.project = _Convolution(width, stage.channels)
            # One mask a picture: the whole branch is left out or scaled up.
            drops = self._residual and drop_connect > 0
            self.drop = nn.Dropout(drop_connect, axes=(1, 2, 3)) if drops else None

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803 - Gluon's own name
        y = self.expand(x) if self.expand else x
        y = self.depthwise(y)
        y = self.squeeze(y) if self.squeeze else y
        y = self.project(y)
        if not self._residual:
            return y
        return x + (self.drop(y) if self.drop else y)


class _Squeeze(HybridBlock):
    """Each channel times a factor of 0..1 that all channels' means decide."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        with self.name_scope():
            self.pool = nn.GlobalAvgPool2D()
            self.reduce = nn.Conv2D(squeezed, 1, in_channels=channels)
            self.expand = nn.Conv2D(channels, 1, in_channels=squeezed)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's own name
        factor = self.expand(_activate(F, self.reduce(self.pool(x)), "swish"))
        return F.broadcast_mul(x, F.sigmoid(factor))


FAMILY = Family(
    name="efficientnet",
    networks=tuple(VARIANTS),
    features=feature_maps,
    initializer=lambda: VarianceScaling(2, FAN_OUT),
    smallest=32,
)
