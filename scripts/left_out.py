"""What stands beside photos and was not sent, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch.photos import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORDS = {
    LeftOut.OTHER: "other files left out: their endings are no photo's",
    LeftOut.HIDDEN: "hidden files left out: their names begin with a dot",
    LeftOut.FOLDER_LINK: "links to folders left out: name these folders themselves",
}


def left_out_lines(counts: Mapping[LeftOut, int]) -> Iterator[str]:
    """A line for each kind that there is."""
    for kind, words in _WORDS.items():
        if count := counts.get(kind, 0):
            yield f"{count:,} {words}"
