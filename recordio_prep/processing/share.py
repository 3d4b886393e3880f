"""One host packs its share of the photos, knowing nothing of the others'.

What `snapshelf prepare` decides over all photos is decided here for each alone:

- The classes are given, since a host may have none of some.
- A photo is trained on if its place in the shuffle, which its path and the seed decide, lies in the
  first `train_ratio` of all places. `prepare` takes exactly that share of every category instead.
  Here it holds on average: of n photos of a category, the training share is off by
  sqrt(n x ratio x (1 - ratio)) as a rule, 9 of 400 at 0.7, and a category of a few photos may have
  none on one side. A photo goes where it goes whatever the other photos and the hosts are.
- Training records are shuffled within a host. Duplicates across hosts are not found, so options
  that look at all photos (duplicates, caps, balance) are not offered.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.catalog import Catalog
from recordio_prep.chunks import encode_chunks
from recordio_prep.files import write_atomically, written_through
from recordio_prep.processing.part import LEFT_OUT_FILE, PART_FILE, Part
from recordio_prep.scan import scan
from recordio_prep.selection import put_in_order
from recordio_prep.shards import EXTENSIONS, plan_shards, write_shards
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.source import LeftOut, Photo
from recordio_prep.statistics import Moments
from recordio_prep.summary import counts_by_class, fingerprint, moments
from recordio_prep.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from recordio_prep.engines import Engine
    from recordio_prep.settings import Settings
    from recordio_prep.shards import Written
    from recordio_prep.sources.source import Entry
    from recordio_prep.workplace import Workplace

_PLACES = 1 << 64
"""Of the shuffle; `photos.side` counts them from -2^63."""

_TRAIN = "UPDATE photos SET split = CASE WHEN NOT usable THEN NULL WHEN side < ? THEN 'train' ELSE"


@dataclass(frozen=True, slots=True)
class Share:
    """A folder of category folders, some of which may be elsewhere: a Source."""

    folders: Folders
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folders.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.labels

    @property
    def multi_label(self) -> bool:
        return False

    @property
    def tree(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def entries(self) -> Iterator[Entry]:
        return self.folders.entries()

    def read(self, locator: str) -> bytes:
        return self.folders.read(locator)


@dataclass(frozen=True, slots=True)
class Host:
    """Which host this is: `position` of `hosts`, from 0."""

    position: int
    hosts: int


def pack_share(
    photos: Path,
    out: Path,
    classes: tuple[str, ...],
    settings: Settings,
    *,
    host: Host,
    engine: Engine,
    strict: bool = False,
) -> Part:
    """Pack what is in `photos` into shards in `out`, whose names no other host gives.

    Hosts take turns: the host `position` of `hosts` writes `train_<n>` for every n that leaves
    `position` when divided by `hosts`, and numbers its records likewise.

    Raises:
        DatasetError: the photos or settings cannot be used, or `strict` found unreadable photos.
    """
    _check(classes, settings)
    source = Share(Folders(photos, may_lack=True), classes)
    out.mkdir(parents=True, exist_ok=True)
    if not any(isinstance(entry, Photo) for entry in source.entries()):
        return _nothing(source, out, settings, host)
    # Beside the output, all of which is uploaded.
    with workplace(out.with_name(f".{out.name}-work")) as place:
        catalog = Catalog.create(place.listing)
        scan({"photos": source}, catalog, settings)
        catalog = place.resume(catalog)
        try:
            part = _pack(catalog, place, source, settings, host=host, engine=engine, strict=strict)
            _leave_out(_left_out(catalog), out, host)
        finally:
            catalog.close()
        for shard in part.shards:
            for name in (f"{shard.name}.{extension}" for extension in EXTENSIONS):
                shutil.move(place.records / name, out / name)  # perhaps to another disk
        write_atomically(out / PART_FILE.format(position=host.position), part.text())
    return part


def _check(classes: Sequence[str], settings: Settings) -> None:
    if len(set(classes)) != len(classes) or len(classes) < 2:  # noqa: PLR2004 (to tell apart)
        raise DatasetError(
            f"classes {', '.join(classes)}, expected two or more names, once each",
            hint="--classes names a file with the name of a category folder a line",
        )
    if settings.shard_size is None:
        raise DatasetError("one file a split, expected shards", hint="give --shard-size 10000")
    wanted = (settings.drop_duplicates, settings.drop_empty, settings.balance)
    if any(wanted) or settings.cap_per_class is not None:
        raise DatasetError(
            "a host cannot drop, cap or balance: it sees its own photos only",
            hint="use `snapshelf prepare` for that, with an engine if need be",
        )


def _pack(
    catalog: Catalog,
    place: Workplace,
    source: Share,
    settings: Settings,
    *,
    host: Host,
    engine: Engine,
    strict: bool,
) -> Part:
    divide_by_place(catalog, settings.train_ratio)
    catalog.connection.commit()
    encode_chunks(catalog, {"photos": source}, place.spool, settings, engine=engine)
    _refuse_unreadable(catalog, strict=strict)
    divide_by_place(catalog, settings.train_ratio)
    put_in_order(catalog, settings)
    catalog.connection.execute(
        "UPDATE records SET number = number * ? + ?", (host.hosts, host.position)
    )
    catalog.connection.commit()
    shards = plan_shards(catalog, settings.shard_size, first_number=host.position, step=host.hosts)
    written = write_shards(
        catalog, place, {"photos": source}, settings, engine=engine, shards=shards
    )
    return _part(catalog, written, source, settings, host)


def divide_by_place(catalog: Catalog, train_ratio: float) -> None:
    """Set the split of every usable photo by its own place in the shuffle."""
    first_held_back = min(int(train_ratio * _PLACES) - _PLACES // 2, _PLACES // 2 - 1)
    catalog.connection.execute(f"{_TRAIN} 'validation' END", (first_held_back,))
    if train_ratio == 1:
        catalog.connection.execute("UPDATE photos SET split = 'train' WHERE usable")


def _refuse_unreadable(catalog: Catalog, *, strict: bool) -> None:
    unreadable = catalog.left_out_counts()["unreadable"]
    if strict and unreadable:
        path, reason = catalog.connection.execute(
            "SELECT path, reason FROM left_out WHERE kind = 'unreadable' ORDER BY path LIMIT 1"
        ).fetchone()
        raise DatasetError(
            f"{unreadable} photos cannot be read, the first: {path}: {reason}",
            hint="mend or remove them, or leave out --strict",
        )


def _part(
    catalog: Catalog, shards: tuple[Written, ...], source: Share, settings: Settings, host: Host
) -> Part:
    counts = counts_by_class(catalog)
    return Part(
        position=host.position,
        hosts=host.hosts,
        settings=settings.to_dict(),
        classes=source.labels,
        counts=counts,
        moments=moments(catalog, settings.size) if "train" in counts else _NO_MOMENTS,
        left_out=catalog.count("left_out"),
        fingerprint=fingerprint(catalog, settings),
        shards=shards,
    )


_NO_MOMENTS = Moments(0, (0, 0, 0), (0, 0, 0))


def _nothing(source: Share, out: Path, settings: Settings, host: Host) -> Part:
    """There may be fewer keys than hosts, or none of photos among this one's."""
    left_out = [entry for entry in source.entries() if isinstance(entry, LeftOut)]
    _leave_out(((entry.path, entry.reason) for entry in left_out), out, host)
    part = Part(
        position=host.position,
        hosts=host.hosts,
        settings=settings.to_dict(),
        classes=source.labels,
        counts={},
        moments=_NO_MOMENTS,
        left_out=len(left_out),
        fingerprint="sha256:",
        shards=(),
    )
    write_atomically(out / PART_FILE.format(position=host.position), part.text())
    return part


def _left_out(catalog: Catalog) -> Iterator[tuple[str, str]]:
    yield from catalog.connection.execute("SELECT path, reason FROM left_out ORDER BY path, reason")


def _leave_out(rows: Iterator[tuple[str, str]], out: Path, host: Host) -> None:
    with written_through(out / LEFT_OUT_FILE.format(position=host.position)) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
