"""Photos behind links: a table of links and labels, or a folder of `<category>/data.csv`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tqdm import tqdm

from contracts import MAX_PHOTO_BYTES, DatasetError
from recordio_prep.files import staging
from recordio_prep.sources.download_ahead import downloads
from recordio_prep.sources.download_settings import DownloadSettings
from recordio_prep.sources.link_cache import Failed, LinkCache, link_digest
from recordio_prep.sources.link_table import LinkTable
from recordio_prep.sources.seen_links import SeenLinks
from recordio_prep.sources.source import FlatCategories, LeftOut, Photo, is_listable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recordio_prep.sources.link_cache import Outcome
    from recordio_prep.sources.link_table import Row
    from recordio_prep.sources.source import Entry

TABLE_FILE = "data.csv"
"""In each category's folder, by the marketplace's layout."""

_STEM_DIGITS = 16
_CREDENTIALS = re.compile(r"//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Links(FlatCategories):
    """A source of photos that are downloaded, once, into a cache.

    `Links.find` is how to make one.

    Attributes:
        name: The path that was given.
        tables: The links, with all that is known of their tables.
        cache: The folder where downloads stay; `.staging` and `.lock` in it are its own.
        settings: How to download.
        retry_failed: Ask for links again that failed for good in an earlier run.
        classes: The folders' names; None for a single table.
        multi_label: Whether some row of the table has several labels.
        rows: How many links there are, for the progress bar.
        strays: What lies beside the tables.
    """

    name: str
    tables: tuple[LinkTable, ...]
    cache: Path
    settings: DownloadSettings = field(default_factory=DownloadSettings)
    retry_failed: bool = False
    classes: tuple[str, ...] | None = None
    multi_label: bool = False
    rows: int = 0
    strays: tuple[LeftOut, ...] = ()

    @classmethod
    def find(
        cls,
        path: Path,
        *,
        cache: Path,
        settings: DownloadSettings | None = None,
        retry_failed: bool = False,
    ) -> Links:
        """Look through the table, or the tables in a folder; nothing is downloaded yet.

        A table is read twice in all: whether a row without a label is faulty, another row may say.

        Raises:
            DatasetError: nothing there, it cannot be read, or its columns are not clear.
        """
        classes: tuple[str, ...] | None = None
        strays: tuple[LeftOut, ...] = ()
        if path.is_dir():
            tables, strays = _tables(path)
            classes = tuple(sorted({table.category for table in tables if table.category}))
        else:
            tables = (LinkTable.open(path, printable(path.name)),)
        rows, multi_label = _survey(path, tables)
        return cls(
            name=str(path),
            tables=tables,
            cache=cache,
            settings=settings or DownloadSettings(),
            retry_failed=retry_failed,
            classes=classes,
            multi_label=multi_label,
            rows=rows,
            strays=strays,
        )

    def entries(self) -> Iterator[Entry]:
        """The links in their order, downloaded ahead as far as `settings.ahead` says.

        Leaving the iteration early ends the downloads; what is whole by then stays in the cache.

        Raises:
            DatasetError: a table cannot be read any more, the cache cannot be written to (the
                disk is full), or another process is at work in it.
        """
        yield from self.strays
        with staging(self.cache) as scratch, SeenLinks() as seen:
            cache = LinkCache(self.cache, scratch, self.retry_failed)
            bar = tqdm(total=self.rows, desc="Downloading", unit="link", disable=None)
            with bar, downloads(cache, self.settings) as ahead:
                for row, outcome in ahead.in_order(self._checked(seen)):
                    bar.update()
                    yield self._entry(row, outcome)

    def read(self, locator: str) -> bytes:
        """A downloaded photo's bytes, MAX_PHOTO_BYTES + 1 at most.

        Raises:
            OSError: it is not in the cache any more.
        """
        with (self.cache / locator).open("rb") as file:
            return file.read(MAX_PHOTO_BYTES + 1)

    def _checked(self, seen: SeenLinks) -> Iterator[tuple[Row, LeftOut | None]]:
        """Every row, with the reason not to download it."""
        for table in self.tables:
            for row in table.rows():
                reason = row.fault or self._fault(row)
                if reason:
                    yield row, _left_out(row, reason)
                else:
                    yield row, self._repeated(row, seen)

    def _fault(self, row: Row) -> str:
        if not (row.labels or self.multi_label):
            return "no label"
        if not all(map(is_listable, row.labels)):
            return "a label that .lst cannot hold"
        return ""

    def _repeated(self, row: Row, seen: SeenLinks) -> LeftOut | None:
        """Whether the link came before: in its category, or at all where a photo may have many."""
        category = "" if self.multi_label else row.labels[0]
        earlier = seen.add(category, row)
        if earlier is None:
            return None
        place, same_labels = earlier
        reason = f"the same link as {place}" + ("" if same_labels else ", with other labels")
        return _left_out(row, reason, photo=not same_labels)

    def _entry(self, row: Row, outcome: Outcome | LeftOut) -> Entry:
        if isinstance(outcome, LeftOut):
            return outcome
        if isinstance(outcome, Failed):
            return _left_out(row, outcome.reason)
        stem = link_digest(row.link)[:_STEM_DIGITS]
        folder = f"{_folder(row.labels[0])}/" if row.labels else ""
        return Photo(
            path=f"{folder}{stem}.{outcome.extension}",
            categories=row.labels,
            size=outcome.size,
            version=outcome.version,
            locator=outcome.locator,
            product=row.product,
        )


def _tables(root: Path) -> tuple[tuple[LinkTable, ...], tuple[LeftOut, ...]]:
    """The tables of `root/<category>/data.csv`, by category, and what else lies in `root`."""
    tables: list[LinkTable] = []
    strays: list[LeftOut] = []
    for entry in _listed(root):
        name = printable(entry.name)
        if entry.name.startswith("."):
            strays.append(LeftOut(name, "hidden", photo=False))
        elif not entry.is_dir():
            strays.append(LeftOut(name, "lies beside the category folders", photo=False))
        elif not (entry / TABLE_FILE).is_file():
            strays.append(LeftOut(name, f"no {TABLE_FILE} in it", photo=False))
        elif name != entry.name:
            strays.append(LeftOut(name, "a name that .lst cannot hold", photo=True))
        else:
            place = f"{entry.name}/{TABLE_FILE}"
            tables.append(LinkTable.open(entry / TABLE_FILE, place, category=entry.name))
    return tuple(tables), tuple(strays)


def _listed(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{root}: {error.strerror}, expected a folder of <category>/{TABLE_FILE}",
            hint="check the path and its permissions",
        ) from error


def _survey(path: Path, tables: tuple[LinkTable, ...]) -> tuple[int, bool]:
    """How many rows there are, and whether one has several labels."""
    count, several = 0, False
    for table in tables:
        for row in table.rows():
            count += 1
            several = several or len(row.labels) > 1
    if not count:
        raise DatasetError(
            f"Found 0 links in {path}",
            hint=f"give a table of links and labels, or a folder of <category>/{TABLE_FILE}",
        )
    return count, several


def _folder(category: str) -> str:
    """The category as the name of one folder, different for each category."""
    name = category.replace("%", "%25").replace("/", "%2F")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _left_out(row: Row, reason: str, *, photo: bool = True) -> LeftOut:
    """The link, without the user name and password that it may hold.

    The reason names the row: with one link in many rows, none of them may vanish from the list.
    """
    link = printable(_CREDENTIALS.sub("//…@", row.link))
    return LeftOut(link or row.place, f"{row.place}: {reason}" if link else reason, photo=photo)
