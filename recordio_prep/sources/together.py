"""A source of photos, and further ones of its categories: photos that people named, say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.sources.source import LeftOut
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordio_prep.sources.source import Entry, Source

_MAIN = "0"


@dataclass(frozen=True, slots=True)
class Together:
    """The photos of a main source, and those of others that show its categories.

    What an added source holds of other categories is left out and listed: one wrong folder name
    must not become a category of a model that people use.

    Attributes:
        main: Says which categories there are, and in which order.
        added: Their photos bear `added1/`, `added2/`, ... before their paths.
        also: Categories that the added may have beyond the main source's.

    Raises:
        DatasetError: some are of several labels a photo, and some of one.
    """

    main: Source
    added: tuple[Source, ...]
    also: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for source in self.added:
            if source.multi_label != self.main.multi_label:
                several, one = (self.main, source) if self.main.multi_label else (source, self.main)
                raise DatasetError(
                    f"{visible(several.name)} has several labels a photo and"
                    f" {visible(one.name)} has one: expected the same of both",
                    hint="leave out --add, or label both alike",
                )

    @property
    def name(self) -> str:
        return self.main.name

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.main.classes

    @property
    def multi_label(self) -> bool:
        return self.main.multi_label

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        return self.main.tree

    def entries(self) -> Iterator[Entry]:
        """The main source's, then those of the others in their order.

        Raises:
            DatasetError: one of them cannot be read, or an added one is empty.
        """
        known = {*(self.main.classes or ()), *self.also}
        for entry in self.main.entries():
            if isinstance(entry, LeftOut):
                yield entry
                continue
            known.update(entry.categories)
            yield replace(entry, locator=f"{_MAIN}/{entry.locator}")
        for number, source in enumerate(self.added, 1):
            nothing = True
            for entry in source.entries():
                nothing = False
                yield _as_added(entry, number, known)
            if nothing:
                raise DatasetError(
                    f"{visible(source.name)}: nothing is there, expected photos to add",
                    hint="check the address after --add, or leave it out",
                )

    def read(self, locator: str) -> bytes:
        """As the source that the locator names.

        Raises:
            OSError: it cannot be read.
            PhotoError: what is there is not what was promised.
        """
        number, _, inner = locator.partition("/")
        source = self.main if number == _MAIN else self.added[int(number) - 1]
        return source.read(inner)


def sources_of(source: Source) -> tuple[Source, ...]:
    """The sources that a source is put together of; itself where it is one."""
    return (source.main, *source.added) if isinstance(source, Together) else (source,)


def _as_added(entry: Entry, number: int, known: set[str]) -> Entry:
    # A sign in front (`+1`) would be a formula where a spreadsheet opens left_out.csv.
    path = f"added{number}/{entry.path}"
    if isinstance(entry, LeftOut):
        return replace(entry, path=path)
    unknown = sorted(set(entry.categories) - known)
    if unknown:
        named = ", ".join(map(visible, unknown))
        return LeftOut(path, f"category {named} is none of the main photos'", photo=True)
    return replace(entry, path=path, locator=f"{number}/{entry.locator}")
