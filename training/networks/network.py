"""A whole network: what happens to the picture, the feature maps, the head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxnet.gluon import nn

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.networks.family import Family

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in luma (ITU-R BT.601), as Pillow's conversion to L."""

PHOTO_CHANNELS = 3
"""Photos always arrive as RGB, also for a network that looks at grey."""


class Network(nn.HybridBlock):
    """Photos (N, 3, H, W), float32, normalised RGB, to logits (N, classes).

    Attributes:
        short_name: as in `resnet34`.
        family: what it belongs to.
        shape: (channels, height, width) that it was built for; channels 1 means that it turns
            photos to grey itself, so that nothing before it treats photos in a second way.
        stem_pooling: side of the squares of pixels that are averaged first.
        any_size: whether it takes other heights and widths than those.
        head: the block that turns feature maps into logits; what transfer learning replaces.
    """

    def __init__(
        self,
        name: str,
        family: Family,
        head: Any,
        *,
        shape: tuple[int, int, int],
        stem_pooling: int,
        any_size: bool,
    ) -> None:
        super().__init__(prefix=f"{name}_")
        self.short_name, self.family, self.shape = name, family, shape
        self.stem_pooling, self.any_size = stem_pooling, any_size
        self.entry = nn.HybridSequential(prefix="")
        if shape[0] == 1:
            self.entry.add(Grey(prefix=f"{name}_grey_"))
        if stem_pooling > 1:
            self.entry.add(nn.AvgPool2D(stem_pooling, prefix=f"{name}_stem_"))
        self.features = family.features(name)
        self.head = head

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: ARG002, N803 - Gluon's signature
        return self.head(self.features(self.entry(x)))

    def check_sizes(self, sizes: Iterable[int]) -> None:
        """Refuse picture sides, in pixels, that this network does not take.

        Raises:
            TrainingError: a size is out of the family's range, or it differs from the one that
                the head was built for.
        """
        for size in sorted(set(sizes)):
            hint = "other picture_sizes, or another network"
            self.family.check_side(self.short_name, size, self.stem_pooling, hint=hint)
            if not self.any_size and size not in self.shape[1:]:
                raise TrainingError(
                    f"pictures of {size} pixels: this {self.short_name} takes {self.shape[1]} "
                    "alone, since its dense layer has a weight for every place in the picture",
                    hint="leave out picture_sizes, or take a network with head=pool",
                )


class Grey(nn.HybridBlock):
    """RGB (N, 3, H, W) to luma (N, 1, H, W), without parameters."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's signature
        red, green, blue = (
            F.slice_axis(x, axis=1, begin=channel, end=channel + 1) * weight
            for channel, weight in enumerate(GREY_WEIGHTS)
        )
        return red + green + blue
