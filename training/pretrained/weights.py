"""Weights that someone else trained, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training.pretrained.form import Form

if TYPE_CHECKING:
    import numpy as np

Statistics = tuple[float, float, float]

IMAGENET_MEAN: Statistics = (123.675, 116.28, 103.53)
IMAGENET_STD: Statistics = (58.395, 57.12, 57.375)
"""Red, green, blue on 0..255, as torchvision and timm state them on 0..1 (.485, .229 and so on)."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights by name, and how they are to be used.

    Attributes:
        source: where they come from, as messages call it.
        architecture: the network that they belong to (`resnet50`, `efficientnet-lite0`), or
            "symbol" where they bring their own.
        arrays: by the file's own names.
        mxnet: whether these are Gluon's names or a symbol's, rather than PyTorch's.
        form: what they need of the network besides its layers; kept beside the weights, see there.
        mean: of red, green and blue, 0..255, that was taken from photos; None if nothing says so.
        std: likewise, what photos were divided by after that.
        symbol: the network itself as MXNet's JSON, of a former artifact.
        others: names in the file that hold no array.
    """

    source: str
    architecture: str
    arrays: dict[str, np.ndarray[Any, Any]] = field(repr=False)
    mxnet: bool = False
    form: Form = field(default_factory=Form)
    mean: Statistics | None = None
    std: Statistics | None = None
    symbol: str | None = field(default=None, repr=False)
    others: tuple[str, ...] = ()
