"""From photos to a folder of records: the whole of `snapshelf prepare`."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import CHECK_PAGE, DATASET_FILE, LEFT_OUT_FILE, MANIFEST_FILE, DatasetError
from recordio_prep.catalog import Catalog
from recordio_prep.check import check, write_report
from recordio_prep.chunks import encode_chunks
from recordio_prep.dataset import Dataset
from recordio_prep.duplicates import find_families
from recordio_prep.engines import started
from recordio_prep.publishing import (
    move_into_place,
    publish,
    publish_to_s3,
    refuse_foreign,
    write_left_out,
    write_manifest,
)
from recordio_prep.scan import scan
from recordio_prep.selection import select_records
from recordio_prep.settings import Settings
from recordio_prep.shards import write_shards
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.together import sources_of
from recordio_prep.split import divide
from recordio_prep.stamp import Stamp
from recordio_prep.summary import check_classes, summary
from recordio_prep.whereabouts import Whereabouts
from recordio_prep.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from recordio_prep.check import Check, Problem
    from recordio_prep.engines import Engine
    from recordio_prep.s3_records import S3Records
    from recordio_prep.sources.source import Source
    from recordio_prep.workplace import Workplace

logger = logging.getLogger(__name__)

_SHOWN = 20


def prepare(
    photos: Path | Source,
    out: Path | str,
    *,
    validation: Path | Source | None = None,
    test: Path | Source | None = None,
    strict: bool = False,
    workers: int | None = None,
    work: Path | str | None = None,
    state: Path | None = None,
    engine: str | None = None,
    **options: Any,
) -> Dataset:
    """Pack photos into records that MXNet and SageMaker read.

    Writes `{train,validation,test}.{rec,idx,lst}`, `left_out.csv`, `check.html`, `check.json` and,
    last, `dataset.json` into `out`. The same photos, settings and Pillow give the same bytes on any
    number of workers. If nothing changed since the last run, what is there is kept; a run that was
    broken off goes on.

    Args:
        photos: The folder of category folders, or another source.
        out: Where the records go: a folder, made if absent, or `s3://bucket/prefix/`.
        validation: Photos of the same categories, packed as a whole as the validation split.
        test: Likewise for the test split.
        strict: Refuse to pack if a photo cannot be read, or the check finds an error or warning.
        workers: Processes of this machine; by default one for each core.
        work: Where encoded photos lie meanwhile (`recordio_prep.whereabouts.Whereabouts`).
        state: Where the catalog lies meanwhile, likewise.
        engine: What runs the work, likewise.
        options: Of `recordio_prep.settings.Settings`.

    Raises:
        DatasetError: the photos or settings cannot be used, or `strict` minds something.
        BrokenOffError: the engine or S3 failed; what was reached is kept for the next run.
    """
    settings = Settings(**options | ({"train_ratio": 1.0} if validation else {}))
    where = Whereabouts(out, work, state, engine)
    where.check(settings)
    sources = _sources(where.folder, photos=photos, validation=validation, test=test)
    where.check_apart(sources.values())
    with workplace(where.folder, where.spool) as place:
        refuse_foreign(where.folder, place.catalog)
        listing = Catalog.create(place.listing)
        scan(sources, listing, settings)
        kept = _kept(where.records or where.folder, listing.meta("inputs"), strict=strict)
        if kept:
            listing.close()
            logger.info("%s is up to date", out)
            return kept
        with (
            contextlib.closing(place.resume(listing)) as catalog,
            started(engine, catalog.count("photos"), workers) as running,
        ):
            return _pack(catalog, sources, place, where, settings, strict=strict, engine=running)


def check_photos(
    photos: Path | Source,
    out: Path,
    *,
    validation: Path | Source | None = None,
    test: Path | Source | None = None,
    workers: int | None = None,
    **options: Any,
) -> Check:
    """Look through photos as `prepare` does, without packing them.

    Writes `check.html`, `check.json` and `left_out.csv` into `out`. A run that was broken off goes
    on.

    Args:
        photos: As the rest, of `prepare`.
        out: A folder for the report; made if absent.
        validation: As of `prepare`.
        test: As of `prepare`.
        workers: As of `prepare`.
        options: As of `prepare`; those that drop photos have no effect.

    Raises:
        DatasetError: the photos cannot be used.
    """
    settings = Settings(**options)
    sources = _sources(out, photos=photos, validation=validation, test=test)
    with workplace(out) as place:
        _refuse_records(out)
        listing = Catalog.create(place.listing)
        scan(sources, listing, settings)
        with contextlib.closing(place.resume(listing)) as catalog:
            with started(None, catalog.count("photos"), workers) as engine:
                _encode(catalog, sources, place, settings, engine)
            with place.payloads(catalog) as payload:
                _find_families(catalog, payload)
                found = check(catalog, payload, size=settings.size)
            write_report(found, place.records)
            write_left_out(catalog, sources, place.records / LEFT_OUT_FILE)
            move_into_place(place.records, out)
            return found


def _refuse_records(out: Path) -> None:
    if (out / DATASET_FILE).exists():
        raise DatasetError(
            f"{out} holds records, whose own check is in {CHECK_PAGE} beside them",
            hint="give --out another folder",
        )


def _sources(out: Path, **given: Path | Source | None) -> dict[str, Source]:
    _check_apart(out, given.values())
    return {part: _source(part, source) for part, source in given.items() if source}


def _parts(source: Path | Source) -> tuple[Path | Source, ...]:
    return (source,) if isinstance(source, Path) else sources_of(source)


def _source(part: str, source: Path | Source) -> Source:
    return Folders(source, may_lack=part != "photos") if isinstance(source, Path) else source


def _kept(out: Path | S3Records, inputs: str, *, strict: bool) -> Dataset | None:
    stamp = Stamp.load(out) if isinstance(out, Path) else out.stamp()
    if stamp is None or stamp.passing or not stamp.holds(out, inputs):
        return None
    if strict and stamp.problems:
        return None
    try:
        return Dataset.load(out) if isinstance(out, Path) else out.dataset()
    except DatasetError:  # damaged since: it is made anew
        return None


def _pack(
    catalog: Catalog,
    sources: Mapping[str, Source],
    place: Workplace,
    where: Whereabouts,
    settings: Settings,
    *,
    strict: bool,
    engine: Engine,
) -> Dataset:
    _encode(catalog, sources, place, settings, engine)
    if strict:
        _refuse_unreadable(catalog)
    with place.payloads(catalog) as payload:
        _find_families(catalog, payload)
        select_records(catalog, settings)
        check_classes(catalog, sources)
        found = check(catalog, payload, size=settings.size)
    _tell(found.problems, strict=strict)
    write_report(found, place.records)
    write_left_out(catalog, sources, place.records / LEFT_OUT_FILE)
    out = where.records
    if out is not None:
        out.distrust()
    written = write_shards(catalog, place, sources, settings, engine=engine, records=out)
    if settings.shard_size is not None:
        write_manifest(written, place.records / MANIFEST_FILE)
    dataset = summary(catalog, settings)
    stamp = Stamp.of(catalog, found.problems)
    if out is not None:
        publish_to_s3(place.records, out, dataset, stamp, written)
    else:
        publish(place.records, where.folder, dataset, stamp)
    return dataset


def _encode(
    catalog: Catalog,
    sources: Mapping[str, Source],
    place: Workplace,
    settings: Settings,
    engine: Engine,
) -> None:
    if not catalog.count("chunks"):
        divide(catalog, settings.train_ratio)  # as far as is known before the photos are read
        catalog.connection.commit()
    encode_chunks(catalog, sources, place.spool, settings, engine=engine)


def _find_families(catalog: Catalog, payload: Callable[[int], bytes]) -> None:
    if not catalog.meta("families_found"):
        find_families(catalog, payload)
        catalog.set_meta("families_found", True)  # noqa: FBT003 (a JSON value)
        catalog.connection.commit()


def _refuse_unreadable(catalog: Catalog) -> None:
    """Before the costly search for duplicates: these have to be mended anyway."""
    unreadable = catalog.left_out_counts()["unreadable"]
    first = catalog.connection.execute(
        "SELECT path, reason FROM left_out WHERE kind = 'unreadable' ORDER BY part, path LIMIT ?",
        (_SHOWN,),
    ).fetchall()
    for path, reason in first:
        logger.error("left out: %s: %s", path, reason)
    if first:
        path, reason = first[0]
        raise DatasetError(
            f"{unreadable} photos cannot be read, the first: {path}: {reason}",
            hint="mend or remove them, or leave out --strict",
        )


def _tell(problems: Sequence[Problem], *, strict: bool) -> None:
    """Log what a person should know; with `strict` that ends the preparation."""
    grave = [problem for problem in problems if problem.is_grave]
    for problem in grave:
        logger.log(logging.ERROR if strict else logging.WARNING, "%s", problem.message)
    if grave and strict:
        raise DatasetError(
            f"{len(grave)} problems with the photos, the first: {grave[0].message}",
            hint=f"{grave[0].hint}; `snapshelf check` shows them all; or leave out --strict",
        )


def _check_apart(out: Path, sources: Iterable[Path | Source | None]) -> None:
    each = (one for source in sources if source for one in _parts(source))
    for source in each:
        root = source.root if isinstance(source, Folders) else source
        if isinstance(root, Path) and out.resolve().is_relative_to(root.resolve()):
            raise DatasetError(
                f"{out} lies in {root}, expected a folder apart from the photos",
                hint="give --out another folder",
            )
