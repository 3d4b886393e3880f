"""What a model makes of a product: one verdict from all of its photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

MOST_PHOTOS = 4
"""Of a product in Cdiscount's data: products are counted by how many they have, 1 to 4."""


def product_verdict(probabilities: NDArray[np.float32]) -> tuple[int, float]:
    """The best class of a product, and how probable it is.

    The mean over its photos: a photo that says little (an empty one, a label, a scene) weighs
    little, and one that is surely wrong cannot veto the others, as it would in a product of
    probabilities.

    Args:
        probabilities: (photos, K), at least one photo.
    """
    mean = probabilities.mean(axis=0)
    best = int(mean.argmax())
    return best, float(mean[best])


@dataclass(slots=True)
class ProductScore:
    """Right answers among products whose category is known.

    Attributes:
        classes: of the model, in its order.
        tree: levels of a class from the top down; empty where the tree is flat.
    """

    classes: Sequence[str]
    tree: Mapping[str, Sequence[str]]
    products: int = 0
    right: int = 0
    photos: int = 0
    right_photos: int = 0
    _by_photos: dict[int, list[int]] = field(default_factory=dict)
    _levels: list[int] = field(default_factory=list)

    def add(self, category: str, best: int | None, photos: NDArray[np.float32]) -> None:
        """One product; one without a verdict (None) is wrong.

        Args:
            category: its own; one that the model does not know is wrong, too.
            best: the verdict's class.
            photos: (photos, K), of the photos that could be read.
        """
        verdict = None if best is None else self.classes[best]
        is_right = verdict == category
        counted = self._by_photos.setdefault(min(len(photos), MOST_PHOTOS), [0, 0])
        counted[0] += is_right
        counted[1] += 1
        self.products += 1
        self.right += is_right
        self.photos += len(photos)
        self.right_photos += sum(self.classes[k] == category for k in photos.argmax(axis=1))
        self._count_levels(category, verdict)

    def document(self) -> dict[str, Any]:
        """Accuracies, 0 to 1: of products, of photos, by number of photos, and by level."""
        if not self.products:
            return {}
        by_photos = sorted(self._by_photos.items())
        return {
            "accuracy": self.right / self.products,
            "accuracy_by_photo": self.right_photos / self.photos if self.photos else None,
            "by_photos": {
                str(n): {"products": known, "accuracy": right / known}
                for n, (right, known) in by_photos
            },
            "by_level": [right / self.products for right in self._levels],
        }

    def _count_levels(self, category: str, verdict: str | None) -> None:
        own = tuple(self.tree.get(category, ()))
        found = tuple(self.tree.get(verdict, ())) if verdict else ()
        self._levels += [0] * (len(own) - len(self._levels))
        for level in range(1, len(own) + 1):
            self._levels[level - 1] += own[:level] == found[:level]
