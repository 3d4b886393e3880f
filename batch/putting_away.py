"""Answered photos moved away, once the table stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.photos import UNREADABLE
from contracts import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batch.photos import Photo, Source

MOST_SHOWN = 20
"""Photos that a summary names of those that failed, or got another name."""


@dataclass(slots=True)
class PutAway:
    """What became of answered photos.

    Attributes:
        renamed: how many got another name, since other bytes had theirs.
        renames: the first of these with their new names.
        replaced: how many stay, since another photo has taken the place of the one that was asked
            about; the next run asks about it.
    """

    renamed: int = 0
    renames: list[tuple[str, str]] = field(default_factory=list)
    replaced: int = 0

    def move(self, source: Source, photos: Iterable[Photo], destination: str) -> None:
        """Move each below `destination`; a kill meanwhile is made good by doing it again.

        Raises:
            BatchError: one cannot be moved; those before it are.
        """
        for photo in photos:
            name = _move(source, photo, destination)
            if name is None:
                self.replaced += 1
            elif name != photo.name:
                self.renamed += 1
                if self.renamed <= MOST_SHOWN:
                    self.renames.append((escaped(photo.name), escaped(name)))


def _move(source: Source, photo: Photo, destination: str) -> str | None:
    try:
        return source.move(photo, destination)
    except UNREADABLE as error:
        raise BatchError(
            f"{escaped(photo.name)} cannot be moved to {destination}: {error}",
            hint="the table is complete; mend it, and the same command goes on from there",
        ) from error
