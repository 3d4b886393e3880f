"""Writes the records: `<split>.rec`, `.idx` and `.lst`, or `<split>_00000.*` and on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tqdm import tqdm

from contracts import SPLITS, DatasetError
from recordio_prep.catalog import Catalog, parted
from recordio_prep.encode import Recipe, Unreadable, encode_photo
from recordio_prep.files import sync_folder, written_through
from recordio_prep.recordio import RecordWriter
from recordio_prep.workers import Crashed, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source
    from recordio_prep.spool import SpoolReader
    from recordio_prep.workplace import Workplace

EXTENSIONS = ("rec", "idx", "lst")

_ROWS = """
SELECT id, number, part, path, categories, locator, encoding, chunk, start, length, digest
FROM records JOIN facts USING (id) JOIN photos USING (id)
WHERE records.split = ? AND place BETWEEN ? AND ? ORDER BY place
"""

Labels: TypeAlias = int | tuple[int, ...]
"""A class index, or for a multi-label photo a 0 or 1 for each class."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some consecutive records of a split, which a worker writes."""

    name: str
    split: str
    first: int
    records: int


@dataclass(frozen=True, slots=True)
class Written:
    """A shard that is written, as the manifest lists it.

    Attributes:
        name: Of its files, without extension.
        records: How many.
        bytes: Of the `.rec`.
        sha256: Of the `.rec`, in hexadecimal.
    """

    name: str
    split: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Order:
    shard: Shard
    place: Workplace
    sources: Mapping[str, Source]
    settings: Settings


def plan_shards(catalog: Catalog, shard_size: int | None) -> list[Shard]:
    """The shards of every split that has records, in order."""
    counts = dict(
        catalog.connection.execute("SELECT split, COUNT(*) FROM records GROUP BY split").fetchall()
    )
    shards: list[Shard] = []
    for split in SPLITS:
        records = counts.get(split, 0)
        if records and shard_size is None:
            shards.append(Shard(split, split, 0, records))
        elif shard_size is not None:
            shards += (
                Shard(f"{split}_{number:05d}", split, first, min(shard_size, records - first))
                for number, first in enumerate(range(0, records, shard_size))
            )
    return shards


def write_shards(
    catalog: Catalog,
    place: Workplace,
    sources: Mapping[str, Source],
    settings: Settings,
    *,
    workers: int,
) -> tuple[Written, ...]:
    """Write every shard that is not there yet into the workplace's folder of records.

    Args:
        catalog: With records.
        place: Of the catalog; its spool holds the payloads.
        sources: By part, for photos that must be encoded anew.
        settings: Of the records.
        workers: Processes.

    Raises:
        DatasetError: a photo had to be read again, and is another by now.
        OSError: the folder cannot be written to.
    """
    shards = plan_shards(catalog, settings.shard_size)
    known = {
        written.name: written
        for written in (Written(**shard) for shard in catalog.meta("written") or ())
        if _stands(place.records, written)
    }
    orders = [
        _Order(shard, place, sources, settings) for shard in shards if shard.name not in known
    ]
    total = sum(shard.records for shard in shards)
    bar = tqdm(total=total, desc="Writing", unit="record", disable=None, leave=False)
    with bar:
        bar.update(sum(written.records for written in known.values()))
        for order, written in run(_write, orders, workers=min(workers, max(len(orders), 1))):
            if isinstance(written, Crashed):
                raise DatasetError(
                    f"the process that wrote {order.shard.name} was killed",
                    hint="too little memory? try `--workers 1`",
                )
            known[written.name] = written
            sync_folder(place.records)
            catalog.set_meta("written", [asdict(one) for one in known.values()])
            catalog.connection.commit()
            bar.update(written.records)
    return tuple(known[shard.name] for shard in shards)


def _stands(folder: Path, written: Written) -> bool:
    """Whether all its files are still there: a run may have been killed while it moved them."""
    rec, *others = (folder / f"{written.name}.{extension}" for extension in EXTENSIONS)
    return rec.exists() and rec.stat().st_size == written.bytes and all(f.exists() for f in others)


def _write(order: _Order) -> Written:
    shard, folder = order.shard, order.place.records
    rec, idx, lst = (folder / f"{shard.name}.{extension}" for extension in EXTENSIONS)
    with Catalog.reading(order.place.catalog) as catalog, ExitStack() as files:
        label_of = _Labels.of(catalog)
        spool = files.enter_context(order.place.spool.reader())
        writer = files.enter_context(RecordWriter(rec, idx))
        listing = files.enter_context(written_through(lst))
        last = shard.first + shard.records - 1
        for row in catalog.connection.execute(_ROWS, (shard.split, shard.first, last)):
            _, number, _, path, categories, *_ = row
            label = label_of(categories)
            writer.append(number, label, _payload(order, spool, row))
            columns = label if isinstance(label, tuple) else (label,)
            listing.write("\t".join((str(number), *map(str, columns), path)) + "\n")
    return Written(shard.name, shard.split, shard.records, writer.bytes, writer.digest.hexdigest())


@dataclass(frozen=True, slots=True)
class _Labels:
    index: Mapping[str, int]
    multi_label: bool

    @classmethod
    def of(cls, catalog: Catalog) -> _Labels:
        index = {name: label for label, name in enumerate(catalog.meta("classes"))}
        return cls(index, catalog.meta("multi_label"))

    def __call__(self, categories: str) -> Labels:
        if not self.multi_label:
            return self.index[categories]
        shown = {self.index[name] for name in parted(categories)}
        return tuple(int(label in shown) for label in range(len(self.index)))


def _payload(order: _Order, spool: SpoolReader, row: tuple[Any, ...]) -> bytes:
    """The photo as it was encoded; anew where its final split wants another encoding."""
    _, _, part, path, _, locator, encoding, chunk, start, length, digest = row
    settings = order.settings
    wanted = settings.encoding_of(order.shard.split)
    if wanted == encoding:
        return spool.read(chunk, start, length)
    recipe = Recipe(settings.size, settings.fit, settings.quality)
    encoded = encode_photo(order.sources[part], locator, wanted, recipe)
    if isinstance(encoded, Unreadable) or encoded.digest != digest:
        raise DatasetError(
            f"{order.sources[part].name}: {path} changed while it was packed",
            hint="run the same command again once nothing writes to the photos",
        )
    return encoded.payload
