"""What describes networks of one form: their names, the pictures they take and how they start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

POOL, FLATTEN, CONV = "pool", "flatten", "conv"
HEADS = (POOL, FLATTEN, CONV)
"""How a network ends; POOL is how the large-picture networks were published."""

LARGEST = 1024
"""Side, in pixels, of the largest picture that a network is built for."""


@dataclass(frozen=True, slots=True)
class Family:
    """Networks that are built alike, one for each short name in `networks`.

    Attributes:
        name: of the family, as in `resnet`.
        networks: short names, as in `resnet18`; each is a network of its own.
        features: makes the network of a short name up to its feature maps, (N, C, H, W) to
            (N, F, h, w), every parameter's name beginning with the short name and `_`.
        initializer: what draws weights that no layer draws by a rule of its own.
        smallest: side, in pixels, of the smallest picture.
        largest: side, in pixels, of the largest; equal to `smallest` if no other size will do.
        heads: which of HEADS it can end in.
        end: makes the end of a short name for a number of classes, feature maps to logits, where
            the family was published with one that is none of HEADS. POOL then stands for it.
    """

    name: str
    networks: tuple[str, ...]
    features: Callable[[str], Any] = field(repr=False)
    initializer: Callable[[], Any] = field(repr=False)
    smallest: int
    largest: int = LARGEST
    heads: tuple[str, ...] = HEADS
    end: Callable[[str, int], Any] | None = field(default=None, repr=False)

    def any_size(self, head: str) -> bool:
        """Whether one network of this head takes pictures of any size from smallest to largest."""
        return head == POOL and self.end is None

    def check_side(self, network: str, side: int, stem_pooling: int, *, hint: str = "") -> None:
        """Refuse a picture's side, in pixels, that `network` cannot work on.

        Raises:
            TrainingError: what pooling leaves of it is outside `smallest` to `largest`.
        """
        seen = side // stem_pooling
        if self.smallest <= seen <= self.largest:
            return
        pooled = f", {seen} after stem_pooling={stem_pooling}," if stem_pooling > 1 else ""
        one_size = self.smallest == self.largest
        expected = f"{self.smallest}" if one_size else f"{self.smallest} to {self.largest}"
        raise TrainingError(
            f"pictures of {side} pixels{pooled} with {network}: expected {expected}",
            hint=hint,
        )
