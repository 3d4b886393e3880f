"""What weights need of a network besides its layers: where strides stand, how edges are padded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mxnet.gluon.model_zoo import vision

from training.networks.efficientnet import EPSILON, SAME, SYMMETRIC, Turn, set_form

PYTORCH_EPSILON = 1e-5
"""Of batch norms in PyTorch, as in Gluon."""


@dataclass(frozen=True, slots=True)
class Form:
    """The arithmetic that weights were trained in; what does not concern a network is None.

    It belongs beside the weights wherever they are kept: a network that is built anew, to go on
    with a training, is to be adapted before they are put in.

    Attributes:
        stride_on_3x3: whether a ResNet's bottlenecks halve the picture in their 3x3 convolution, as
            in torchvision and timm ("v1.5", Gluon's "v1b"), rather than in the first 1x1, as in the
            paper and in MXNet's model zoo.
        padding: of an EfficientNet, "same" or "symmetric".
        epsilon: of an EfficientNet's batch norms.
    """

    stride_on_3x3: bool | None = None
    padding: str | None = None
    epsilon: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; `Form(**document)` reads it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


TENSORFLOW_EFFICIENTNET = Form(padding=SAME, epsilon=EPSILON)
PYTORCH_EFFICIENTNET = Form(padding=SYMMETRIC, epsilon=PYTORCH_EPSILON)
PYTORCH_RESNET = Form(stride_on_3x3=True)


def adapt(network: Any, form: Form) -> None:
    """Give `network`, from `training.networks.build`, the form that weights need.

    A ResNet-50 and larger becomes torchvision's "v1.5". Parameters stay the same ones.
    """

    def change(block: Any) -> None:
        if isinstance(block, vision.BottleneckV1) and form.stride_on_3x3 is not None:
            _place_stride(block, on_3x3=form.stride_on_3x3)
        children = getattr(block, "_children", {}).values()
        if form.padding and form.epsilon and any(isinstance(child, Turn) for child in children):
            set_form(block, padding=form.padding, epsilon=form.epsilon)
        block._clear_cached_op()  # noqa: SLF001 - what was compiled has the old form

    network.apply(change)


def _place_stride(block: Any, *, on_3x3: bool) -> None:
    first, middle = (block.body[number]._kwargs for number in (0, 3))  # noqa: SLF001 - as Gluon's own
    stride = max(first["stride"], middle["stride"])
    first["stride"], middle["stride"] = ((1, 1), stride) if on_3x3 else (stride, (1, 1))
