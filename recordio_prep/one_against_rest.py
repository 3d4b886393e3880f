"""One category told from all others: "is this a mobile?", from the same folders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from contracts import DatasetError

if TYPE_CHECKING:
    from recordio_prep.sources.source import Photo

REST = "other"
"""What every other category is called."""

_SHOWN = 10


def two_classes(positive: str) -> tuple[str, ...]:
    """Both, in label order."""
    return tuple(sorted((positive, REST)))


@dataclass(slots=True)
class OneAgainstRest:
    """Makes two categories of however many there are: the positive one, and `other`.

    A photo of several categories is positive if one of them is.
    """

    positive: str
    _others: set[str] = field(default_factory=set)
    _found: bool = False

    def told(self, photo: Photo) -> Photo:
        """The photo with its category of the two."""
        is_positive = self.positive in photo.categories
        self._found |= is_positive
        self._others.update(set(photo.categories) - {self.positive})
        return replace(photo, categories=(self.positive if is_positive else REST,))

    def check(self, name: str) -> None:
        """Refuse a source that has no photo of the positive category, or of no other.

        Args:
            name: of the source.

        Raises:
            DatasetError: naming the categories that there are.
        """
        if self._others and not self._found:
            known = sorted(self._others)
            raise DatasetError(
                f"{name}: no photo of category {self.positive}, which is to be told from the rest"
                f" (there are: {', '.join(known[:_SHOWN])}{', ...' * (len(known) > _SHOWN)})",
                hint="give --positive one of those",
            )
        if self._found and not self._others:
            raise DatasetError(
                f"{name}: every photo is of category {self.positive}, expected others as well",
                hint="give the folder above the category folders",
            )
