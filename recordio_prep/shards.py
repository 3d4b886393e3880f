"""Writes the records: `<split>.rec`, `.idx` and `.lst`, or `<split>_00000.*` and on."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tqdm import tqdm

from contracts import SPLITS, DatasetError
from recordio_prep.catalog import Catalog, parted
from recordio_prep.encode import Recipe, Unreadable, encode_photo
from recordio_prep.errors import BrokenOffError
from recordio_prep.files import file_sizes_in, sync_folder, written_through
from recordio_prep.recordio import RecordWriter
from recordio_prep.spool import Piece
from recordio_prep.workers import Crashed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from recordio_prep.engines import Engine
    from recordio_prep.s3_records import S3Records
    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source
    from recordio_prep.spool import PayloadReader
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


Row: TypeAlias = tuple[int, int, str, str, str, str, str, int, int, int, bytes]
"""What a record is written from, the columns of _ROWS."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A shard to write.

    Attributes:
        rows: Of its records, for a worker that cannot open the catalog.
        labels: Likewise.
        records: Where it goes, if not into the workplace's folder.
    """

    shard: Shard
    place: Workplace
    sources: Mapping[str, Source]
    settings: Settings
    rows: tuple[Row, ...] | None
    labels: _Labels
    records: S3Records | None


def plan_shards(
    catalog: Catalog, shard_size: int | None, *, first_number: int = 0, step: int = 1
) -> list[Shard]:
    """The shards of every split that has records, in order, numbered from the first by steps."""
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
                for number, first in zip(
                    itertools.count(first_number, step), range(0, records, shard_size), strict=False
                )
            )
    return shards


def write_shards(
    catalog: Catalog,
    place: Workplace,
    sources: Mapping[str, Source],
    settings: Settings,
    *,
    engine: Engine,
    records: S3Records | None = None,
    shards: Sequence[Shard] | None = None,
) -> tuple[Written, ...]:
    """Write every shard that is not there yet into the workplace's folder of records, or into S3.

    Args:
        catalog: With records.
        place: Of the catalog; its spool holds the payloads.
        sources: By part, for photos that must be encoded anew.
        settings: Of the records.
        engine: Runs the work; to one elsewhere the rows of a shard are sent with it.
        records: Where the shards go instead.
        shards: Of the catalog's records; by default what `plan_shards` says.

    Raises:
        DatasetError: a photo had to be read again, and is another by now.
        OSError, BrokenOffError: the records cannot be written, or the engine was lost.
    """
    if shards is None:
        shards = plan_shards(catalog, settings.shard_size)
    known = _known(catalog, records.sizes() if records else file_sizes_in(place.records))
    with_rows = engine.elsewhere
    labels = _Labels.of(catalog)
    orders = (
        _Order(shard, place, sources, settings, rows, labels, records)
        for shard in shards
        if shard.name not in known
        for rows in [tuple(_rows(catalog, shard)) if with_rows else None]
    )
    total = sum(shard.records for shard in shards)
    bar = tqdm(total=total, desc="Writing", unit="record", disable=None, leave=False)
    with bar:
        bar.update(sum(written.records for written in known.values()))
        for order, written in engine.run(_write, orders):
            if isinstance(written, Crashed):
                raise BrokenOffError(
                    f"the process that wrote {order.shard.name} was killed",
                    hint="too little memory? try `--workers 1`, or fewer at a time on a machine",
                )
            known[written.name] = written
            sync_folder(place.records)
            catalog.set_meta("written", [asdict(one) for one in known.values()])
            catalog.connection.commit()
            bar.update(written.records)
    return tuple(known[shard.name] for shard in shards)


def _known(catalog: Catalog, sizes: Mapping[str, int]) -> dict[str, Written]:
    """The shards that are written, by name, if all their files are still there.

    A run may have been killed while it moved them.
    """
    written = (Written(**shard) for shard in catalog.meta("written") or ())
    return {
        shard.name: shard
        for shard in written
        if sizes.get(f"{shard.name}.rec") == shard.bytes
        and all(f"{shard.name}.{extension}" in sizes for extension in EXTENSIONS)
    }


def _write(order: _Order) -> Written:
    """On a worker: the shard's files, in the workplace's folder or in S3."""
    if order.records is None:
        return _write_into(order.place.records, order)
    with tempfile.TemporaryDirectory(prefix="snapshelf-") as folder:
        written = _write_into(Path(folder), order)
        order.records.bring(Path(folder) / f"{written.name}.{ext}" for ext in EXTENSIONS)
    return written


def _write_into(folder: Path, order: _Order) -> Written:
    shard = order.shard
    rec, idx, lst = (folder / f"{shard.name}.{extension}" for extension in EXTENSIONS)
    with ExitStack() as files:
        spool = files.enter_context(order.place.spool.reader())
        writer = files.enter_context(RecordWriter(rec, idx))
        listing = files.enter_context(written_through(lst))
        rows: Iterable[Row] | None = order.rows
        if rows is None:
            catalog = files.enter_context(Catalog.reading(order.place.catalog))
            rows = _rows(catalog, shard)
        for row, payload in _payloads(order, spool, rows):
            _, number, _, path, categories, *_ = row
            label = order.labels(categories)
            writer.append(number, label, payload)
            columns = label if isinstance(label, tuple) else (label,)
            listing.write("\t".join((str(number), *map(str, columns), path)) + "\n")
    return Written(shard.name, shard.split, shard.records, writer.bytes, writer.digest.hexdigest())


def _rows(catalog: Catalog, shard: Shard) -> Iterator[Row]:
    last = shard.first + shard.records - 1
    rows: Iterator[Row] = catalog.connection.execute(_ROWS, (shard.split, shard.first, last))
    return rows


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


def _payloads(
    order: _Order, spool: PayloadReader, rows: Iterable[Row]
) -> Iterator[tuple[Row, bytes]]:
    """The photos as they were encoded; anew where the final split wants another encoding.

    The spool may look ahead in the rows: it has a copy of them of its own.
    """
    wanted = order.settings.encoding_of(order.shard.split)
    rows, ahead = itertools.tee(rows)
    pieces = (Piece(*row[7:10]) for row in ahead if row[6] == wanted)
    payloads = spool.payloads(pieces)
    for row in rows:
        yield row, next(payloads) if row[6] == wanted else _encoded_anew(order, row, wanted)


def _encoded_anew(order: _Order, row: Row, wanted: str) -> bytes:
    _, _, part, path, _, locator, *_, digest = row
    settings = order.settings
    recipe = Recipe(settings.size, settings.fit, settings.quality)
    encoded = encode_photo(order.sources[part], locator, wanted, recipe)
    if isinstance(encoded, Unreadable) or encoded.digest != digest:
        raise DatasetError(
            f"{order.sources[part].name}: {path} changed while it was packed",
            hint="run the same command again once nothing writes to the photos",
        )
    return encoded.payload
