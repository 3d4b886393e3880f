"""What every source of photos gives: photos with their categories, and what it leaves out and why.

A source is a frozen dataclass of plain values, so that worker processes, here or on other
machines, can be handed it; files and connections are opened where they are needed.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNLISTABLE = frozenset((*map(chr, range(0x20)), "\x7f"))
"""Tabs and line breaks would break a `.lst`, U+001F the catalog, and ESC steers a terminal."""


@dataclass(frozen=True, slots=True)
class Photo:
    """Something that promises to be a photo; its bytes are not read yet.

    Attributes:
        path: Its name in `.lst` and in reports, with `/` between folders; no two photos of a
            source share one, and `is_listable(path)` holds.
        categories: What it shows: one name, or several (or none) in a multi-label source; each
            `normalised`.
        size: Bytes of the file, 0 where only reading would tell.
        version: Differs where the bytes may (a time of change, an ETag).
        locator: What the source's `read` wants.
        product: Photos of one product stay on one side of the split; empty where unknown.
    """

    path: str
    categories: tuple[str, ...]
    size: int
    version: str
    locator: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, folder, row or document that is not packed.

    Attributes:
        path: As a photo's, made printable.
        reason: Why, in words.
        photo: Whether it was meant to be a photo, so that `strict` minds it.
    """

    path: str
    reason: str
    photo: bool


Entry: TypeAlias = Photo | LeftOut


class Source(Protocol):
    """A place that photos come from.

    Attributes:
        name: How messages and lists name it, the path or address that a person gave.
        classes: Categories in label order where the source itself says so, those without a photo
            included; None where the sorted names of those that occur are meant.
        multi_label: Whether a photo may show several categories.
    """

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...

    @property
    def multi_label(self) -> bool: ...

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        """A category's levels from the top of the category tree down; empty where it is flat."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every photo and all that is left out, one by one, in the same order on every machine.

        Memory does not grow with the number of photos.

        Raises:
            DatasetError: the source cannot be read at all.
        """
        ...

    def read(self, locator: str) -> bytes:
        """An encoded photo's bytes, MAX_PHOTO_BYTES + 1 at most (a decoder then refuses them).

        Safe in any number of processes at once.

        Raises:
            OSError: it cannot be read.
            PhotoError: what is there is not, or no longer, what the locator promised.
        """
        ...


class ClassesThatOccur:
    """Of sources that do not say which categories there are: those that occur are meant."""

    __slots__ = ()

    @property
    def classes(self) -> None:
        return None


class SingleLabel:
    """Of sources in which a photo has one category."""

    __slots__ = ()

    @property
    def multi_label(self) -> bool:
        return False


class FlatCategories:
    """Of sources without a category tree."""

    __slots__ = ()

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        return {}


def normalised(category: str) -> str:
    """The category's name in Unicode's composed form (NFC), so that one name is one category.

    macOS and its archives write `café` with an accent of its own.
    """
    return unicodedata.normalize("NFC", category)


def printable(path: str) -> str:
    """The path as UTF-8 text of one field of `.lst`: what cannot stand there is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(repr(letter)[1:-1] if letter in _UNLISTABLE else letter for letter in text)


def is_listable(path: str) -> bool:
    """Whether a `.lst` file can hold the path as it is: UTF-8 without control characters."""
    return path == printable(path)
