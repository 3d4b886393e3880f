"""Encodes the catalog's photos in chunks on any engine, and goes on where it stopped.

A chunk is a run of consecutive photos of the listing. A worker reads, prepares and encodes it,
writes the payloads into the spool itself, and hands back only what is known of each photo; the
catalog is written by one process, a chunk in one transaction, after its payloads are on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tqdm import tqdm

from contracts import DatasetError
from recordio_prep.encode import Encoded, Recipe, Unreadable, encode_photo, encode_photos
from recordio_prep.workers import Crashed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from recordio_prep.catalog import Catalog
    from recordio_prep.engines import Engine
    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source
    from recordio_prep.spool import Spooler

_CHUNKS = 32
"""So many at least, if there are photos enough: the workers end at about the same time."""

_MIN_PHOTOS, _MAX_PHOTOS = 4, 512
_MAX_BYTES = 32_000_000
"""Of photo files in a chunk: what is lost at most where a run is killed, by worker."""

_MAX_PIXEL_BYTES = 64_000_000
"""Of prepared photos in a chunk, before encoding: a worker holds their payloads in memory."""

_SURE = 0.8
"""Share of the estimated space that will be needed whatever the other photos are like."""

_CRASHED = "decoding it ended the process"

_INSERT_FACTS = """
INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

Facts: TypeAlias = tuple[int | float | str | bytes, ...]
"""A row of the catalog's table of that name."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A photo as a worker needs it."""

    id: int
    part: str
    locator: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a worker encodes at a time, and where to."""

    number: int
    photos: tuple[Listed, ...]
    sources: Mapping[str, Source]
    recipe: Recipe
    spool: Spooler


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk: bytes, facts by photo, and reasons for the rest."""

    number: int
    length: int
    facts: tuple[Facts, ...]
    unreadable: tuple[tuple[int, Unreadable], ...]


def encode_chunks(
    catalog: Catalog,
    sources: Mapping[str, Source],
    spool: Spooler,
    settings: Settings,
    *,
    engine: Engine,
) -> None:
    """Encode every chunk that the catalog does not know as done.

    Each photo is encoded as its split, as far as that is known yet, wants it.

    Raises:
        DatasetError: the disk will not hold the records.
        OSError, BrokenOffError: the spool cannot be written to, or the engine was lost.
    """
    chunk_size = _chunk_size(catalog, settings)
    photos = catalog.count("photos")
    known = catalog.connection.execute("SELECT number, length FROM chunks")
    done = {number for number, length in known if spool.holds(number, length)}
    recipe = Recipe(settings.size, settings.fit, settings.quality)
    pending = (
        Chunk(number, _listed(catalog, number, chunk_size, settings), sources, recipe, spool)
        for number in range(-(-photos // chunk_size))
        if number not in done
    )
    encoded = min(len(done) * chunk_size, photos)
    with tqdm(total=photos, initial=encoded, desc="Encoding", unit="photo", disable=None) as bar:
        crashed: list[Chunk] = []  # for later: other chunks are under way beside them now
        for number, (chunk, result) in enumerate(engine.run(encode_chunk, pending)):
            if isinstance(result, Crashed):
                crashed.append(chunk)
                continue
            _remember(catalog, result)
            bar.update(len(chunk.photos))
            if number == 0:
                _check_space(catalog, spool, photos)
        for chunk in crashed:
            _remember(catalog, _one_by_one(chunk, engine))
            bar.update(len(chunk.photos))
    spool.settle()


def has_lost_chunks(catalog: Catalog, spool: Spooler) -> bool:
    """Whether a chunk that the catalog knows as done is not there any more."""
    known = catalog.connection.execute("SELECT number, length FROM chunks")
    return any(not spool.holds(number, length) for number, length in known)


def _check_space(catalog: Catalog, spool: Spooler, photos: int) -> None:
    """After the first chunk: what all photos will need, by the mean of those that are encoded.

    Raises:
        DatasetError: the disk would be full before the end, which may be hours away.
    """
    encoded, spooled = catalog.connection.execute(
        "SELECT COUNT(*), TOTAL(length) FROM facts"
    ).fetchone()
    needed = 2 * spooled / max(encoded, 1) * photos - spooled  # the spool, and the records
    free = spool.free_bytes()
    if needed * _SURE > free:
        raise DatasetError(
            f"{photos:,} photos need about {needed / 1e9:,.1f} GB more while they are packed,"
            f" and half of that to stay; {free / 1e9:,.1f} GB are free",
            hint="free some space, give --out a larger disk, or a smaller --size or --quality",
        )


def encode_chunk(chunk: Chunk) -> Outcome:
    """Encode the photos of a chunk and write them into the spool.

    Raises:
        OSError, BrokenOffError: the spool cannot be written to.
    """
    photos = ((chunk.sources[one.part], one.locator, one.encoding) for one in chunk.photos)
    return _spooled(chunk, encode_photos(photos, chunk.recipe))


def _spooled(chunk: Chunk, outcomes: Iterator[Encoded | Unreadable]) -> Outcome:
    payloads: list[bytes] = []
    facts: list[Facts] = []
    unreadable: list[tuple[int, Unreadable]] = []
    start = 0
    for photo, outcome in zip(chunk.photos, outcomes, strict=True):
        if isinstance(outcome, Unreadable):
            unreadable.append((photo.id, outcome))
            continue
        facts.append(_facts(photo, outcome, chunk.number, start))
        payloads.append(outcome.payload)
        start += len(outcome.payload)
    chunk.spool.write(chunk.number, payloads)
    return Outcome(chunk.number, start, tuple(facts), tuple(unreadable))


def _one_by_one(chunk: Chunk, engine: Engine) -> Outcome:
    """Encode a chunk that ended its worker again, each photo apart from the others."""
    singles = (
        Chunk(chunk.number, (photo,), chunk.sources, chunk.recipe, chunk.spool)
        for photo in chunk.photos
    )
    results = {
        single.photos[0].id: Unreadable(_CRASHED) if isinstance(result, Crashed) else result
        for single, result in engine.run(_encode_single, singles, apart=True)
    }
    return _spooled(chunk, iter([results[photo.id] for photo in chunk.photos]))


def _encode_single(chunk: Chunk) -> Encoded | Unreadable:
    (photo,) = chunk.photos
    return encode_photo(chunk.sources[photo.part], photo.locator, photo.encoding, chunk.recipe)


def _facts(photo: Listed, encoded: Encoded, chunk: int, start: int) -> Facts:
    moments = encoded.moments
    return (
        photo.id,
        photo.encoding,
        chunk,
        start,
        len(encoded.payload),
        encoded.digest,
        encoded.format,
        encoded.width,
        encoded.height,
        encoded.hash,
        moments.detail,
        *moments.sums,
        *moments.squares,
    )


def _remember(catalog: Catalog, outcome: Outcome) -> None:
    connection = catalog.connection
    connection.executemany(_INSERT_FACTS, outcome.facts)
    for photo, why in outcome.unreadable:
        connection.execute("UPDATE photos SET usable = 0 WHERE id = ?", (photo,))
        connection.execute(
            "INSERT OR IGNORE INTO left_out SELECT part, path, ?, 'unreadable' FROM photos"
            " WHERE id = ?",
            (why.reason, photo),
        )
        if why.passing:
            catalog.set_meta("passing", True)  # noqa: FBT003 (a JSON value)
    connection.execute(
        "INSERT OR REPLACE INTO chunks VALUES (?, ?)", (outcome.number, outcome.length)
    )
    connection.commit()


def _listed(
    catalog: Catalog, number: int, chunk_size: int, settings: Settings
) -> tuple[Listed, ...]:
    rows: Sequence[tuple[int, str, str, str]] = catalog.connection.execute(
        "SELECT id, part, locator, split FROM photos WHERE id BETWEEN ? AND ? ORDER BY id",
        (number * chunk_size, (number + 1) * chunk_size - 1),
    ).fetchall()
    return tuple(
        Listed(photo, part, locator, settings.encoding_of(split))
        for photo, part, locator, split in rows
    )


def _chunk_size(catalog: Catalog, settings: Settings) -> int:
    """Photos in a chunk; noted, so that it stays the same when a run goes on."""
    chunk_size: int | None = catalog.meta("chunk_size")
    if chunk_size is not None:
        return chunk_size
    photos, mean_bytes = catalog.connection.execute(
        "SELECT COUNT(*), AVG(size) FROM photos"
    ).fetchone()
    wanted = min(
        photos // _CHUNKS,
        int(_MAX_BYTES / max(mean_bytes, 1)),
        _MAX_PIXEL_BYTES // (3 * settings.size**2),
    )
    chunk_size = min(max(wanted, _MIN_PHOTOS), _MAX_PHOTOS)
    catalog.set_meta("chunk_size", chunk_size)
    catalog.connection.commit()
    return chunk_size
