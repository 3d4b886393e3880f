"""A photo as a channel gives it, before it is prepared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contracts import MAX_PHOTO_BYTES, PhotoError

if TYPE_CHECKING:
    from training.channels.scan import Labels


class GivenPhoto(NamedTuple):
    """A photo and its labels.

    Attributes:
        name: What a person finds it by: its path in the channel, or its number.
        labels: (K,) float32; one is a class, several are 0 or 1 each.
        source: Its bytes, or the file that they are in.
    """

    name: str
    labels: Labels
    source: bytes | Path

    def read(self) -> bytes:
        """The photo file's bytes.

        Raises:
            OSError, PhotoError: it cannot be read, or is too large to be a photo.
        """
        if not isinstance(self.source, Path):
            return self.source
        if (size := self.source.stat().st_size) > MAX_PHOTO_BYTES:
            raise PhotoError(f"{size:,} bytes, expected 1 to {MAX_PHOTO_BYTES:,}")
        return self.source.read_bytes()
