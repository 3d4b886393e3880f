"""From photos to a folder of records: the whole of `snapshelf prepare`."""

from __future__ import annotations

import csv
import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import (
    DATASET_FILE,
    LEFT_OUT_FILE,
    MANIFEST_FILE,
    SPLITS,
    DatasetError,
)
from photo import Preparation
from recordio_prep.catalog import Catalog
from recordio_prep.chunks import encode_chunks
from recordio_prep.dataset import Dataset, Split
from recordio_prep.engines import started
from recordio_prep.files import sync_folder, written_through
from recordio_prep.scan import scan
from recordio_prep.selection import select_records
from recordio_prep.settings import Settings
from recordio_prep.shards import EXTENSIONS, write_shards
from recordio_prep.sources.folders import Folders
from recordio_prep.split import divide
from recordio_prep.stamp import STAMP_FILE, Stamp, file_sizes
from recordio_prep.summary import counts_by_class, fingerprint, moments
from recordio_prep.whereabouts import Whereabouts
from recordio_prep.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordio_prep.engines import Engine
    from recordio_prep.s3_records import S3Records
    from recordio_prep.shards import Written
    from recordio_prep.sources.source import Source
    from recordio_prep.workplace import Workplace

logger = logging.getLogger(__name__)

_RECORD_FILE = re.compile(
    rf"({'|'.join(SPLITS)})(_\d{{5,}})?\.({'|'.join(EXTENSIONS)})|{re.escape(MANIFEST_FILE)}"
)
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

    Writes `{train,validation,test}.{rec,idx,lst}`, `left_out.csv` and, last, `dataset.json` into
    `out`. The same photos, settings and Pillow give the same bytes on any number of workers. If
    nothing changed since the last run, what is there is kept; a run that was broken off goes on.

    Args:
        photos: The folder of category folders, or another source.
        out: Where the records go; a folder, made if absent, or `s3://bucket/prefix/`.
        validation: Photos of the same categories, packed as a whole as the validation split.
        test: Likewise for the test split.
        strict: Refuse to pack if any photo cannot be read.
        workers: Processes of this machine; by default one for each core.
        work: Where encoded photos lie meanwhile (`recordio_prep.whereabouts.Whereabouts`).
        state: Where the catalog lies meanwhile, likewise.
        engine: What runs the work, likewise.
        options: Of `recordio_prep.settings.Settings`.

    Raises:
        DatasetError: the photos or settings cannot be used, or `strict` found unreadable photos.
        BrokenOffError: the engine or S3 failed; what was reached is kept for the next run.
    """
    settings = Settings(**options | ({"train_ratio": 1.0} if validation else {}))
    where = Whereabouts(out, work, state, engine)
    where.check(settings)
    given = {"photos": photos, "validation": validation, "test": test}
    _check_apart(where.folder, given.values())
    where.check_apart(given.values())
    sources = {part: _source(part, source) for part, source in given.items() if source}
    with workplace(where.folder, where.spool) as place:
        listing = Catalog.create(place.listing)
        scan(sources, listing, settings)
        kept = _kept(where.records or where.folder, listing.meta("inputs"), strict=strict)
        if kept:
            listing.close()
            logger.info("%s is up to date", out)
            return kept
        catalog = place.resume(listing)
        try:
            with started(engine, catalog.count("photos"), workers) as running:
                return _pack(
                    catalog, sources, place, where, settings, strict=strict, engine=running
                )
        finally:
            catalog.close()


def _source(part: str, source: Path | Source) -> Source:
    return Folders(source, may_lack=part != "photos") if isinstance(source, Path) else source


def _kept(out: Path | S3Records, inputs: str, *, strict: bool) -> Dataset | None:
    stamp = Stamp.load(out) if isinstance(out, Path) else out.stamp()
    if stamp is None or not stamp.holds(out, inputs) or (strict and stamp.unreadable):
        return None
    return Dataset.load(out) if isinstance(out, Path) else out.dataset()


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
    if not catalog.count("chunks"):
        divide(catalog, settings.train_ratio)  # as far as is known before the photos are read
        catalog.connection.commit()
    encode_chunks(catalog, sources, place.spool, settings, engine=engine)
    _report_unreadable(catalog, strict=strict)
    select_records(catalog, settings)
    _check_classes(catalog, sources)
    if where.records is not None:
        where.records.distrust()
    written = write_shards(catalog, place, sources, settings, engine=engine, records=where.records)
    dataset = _dataset(catalog, settings)
    _write_left_out(catalog, sources, place.records / LEFT_OUT_FILE)
    if settings.shard_size is not None:
        _write_manifest(written, place.records / MANIFEST_FILE)
    if where.records is not None:
        _publish_to_s3(catalog, place, where.records, dataset, written)
    else:
        _publish(catalog, place, where.folder, dataset)
    return dataset


def _report_unreadable(catalog: Catalog, *, strict: bool) -> None:
    counts = catalog.left_out_counts()
    first = catalog.connection.execute(
        "SELECT path, reason FROM left_out WHERE kind = 'unreadable' ORDER BY part, path LIMIT ?",
        (_SHOWN,),
    ).fetchall()
    for path, reason in first:
        logger.log(logging.ERROR if strict else logging.DEBUG, "left out: %s: %s", path, reason)
    if strict and first:
        path, reason = first[0]
        raise DatasetError(
            f"{counts['unreadable']} photos cannot be read, the first: {path}: {reason}",
            hint="mend or remove them, or leave out --strict",
        )
    if counts["unreadable"] or counts["other"]:
        logger.warning(
            "left out %d photos that cannot be read and %d other files: see %s",
            counts["unreadable"],
            counts["other"],
            LEFT_OUT_FILE,
        )


def _check_classes(catalog: Catalog, sources: Mapping[str, Source]) -> None:
    """Every class is trained on, and every source that was given has a photo left."""
    counts = counts_by_class(catalog)
    bare = [name for name in catalog.meta("classes") if not counts.get("train", {}).get(name)]
    given = set(sources) - {"photos"}
    bare += [sources[part].name for part in SPLITS if part in given and part not in counts]
    if bare:
        raise DatasetError(
            f"no photo can be read of {', '.join(bare)}",
            hint="`file PHOTO` tells what they are; save them again as JPEG or PNG",
        )


def _dataset(catalog: Catalog, settings: Settings) -> Dataset:
    classes = tuple(catalog.meta("classes"))
    counts = counts_by_class(catalog)
    photos = dict(
        catalog.connection.execute("SELECT split, COUNT(*) FROM records GROUP BY split").fetchall()
    )
    splits = {
        split: Split(photos[split], {name: counts[split].get(name, 0) for name in classes})
        for split in SPLITS
        if split in photos
    }
    mean, std = moments(catalog, settings.size).mean_and_std()
    return Dataset(
        classes=classes,
        preparation=Preparation(settings.size, settings.fit, mean, std),
        splits=splits,
        left_out=catalog.count("left_out"),
        seed=settings.seed,
        train_ratio=settings.train_ratio,
        encoding={split: settings.encoding_of(split) for split in splits},
        quality=settings.quality,
        fingerprint=fingerprint(catalog, settings),
        multi_label=catalog.meta("multi_label"),
        tree={name: tuple(levels) for name, levels in catalog.meta("tree").items()},
    )


def _write_left_out(catalog: Catalog, sources: Mapping[str, Source], path: Path) -> None:
    """Every entry by path, those of a further source under its name."""
    rows = catalog.connection.execute(
        "SELECT part, path, reason FROM left_out ORDER BY part != 'photos', part, path, reason"
    )
    with written_through(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "reason"))
        for part, entry, reason in rows:
            listed = entry if part == "photos" else f"{sources[part].name}/{entry}"
            writer.writerow((listed, reason))


def _write_manifest(shards: Iterable[Written], path: Path) -> None:
    document = {"format": 1, "shards": [asdict(shard) for shard in shards]}
    with written_through(path) as file:
        file.write(json.dumps(document, indent=2) + "\n")


def _publish(catalog: Catalog, place: Workplace, out: Path, dataset: Dataset) -> None:
    """Move the files into place; until dataset.json is back, they are not to be trusted."""
    for name in (DATASET_FILE, STAMP_FILE):
        (out / name).unlink(missing_ok=True)
    new = sorted(path.name for path in place.records.iterdir())
    for path in out.iterdir():
        if _RECORD_FILE.fullmatch(path.name) and path.name not in new:
            path.unlink()
    for name in new:
        (place.records / name).replace(out / name)
    sync_folder(out)
    dataset.save(out)
    outputs = file_sizes(out, [*new, DATASET_FILE])
    unreadable = catalog.left_out_counts()["unreadable"]
    Stamp(catalog.meta("inputs"), outputs, unreadable).save(out)


def _publish_to_s3(
    catalog: Catalog, place: Workplace, out: S3Records, dataset: Dataset, written: Iterable[Written]
) -> None:
    """The shards are there already; what vouches for them comes last."""
    out.bring(sorted(place.records.iterdir()))
    new = {f"{shard.name}.{extension}" for shard in written for extension in EXTENSIONS}
    new |= {path.name for path in place.records.iterdir()}
    sizes = out.sizes()
    out.remove(name for name in sizes if _RECORD_FILE.fullmatch(name) and name not in new)
    outputs = {name: sizes[name] for name in sorted(new)}
    unreadable = catalog.left_out_counts()["unreadable"]
    out.vouch(dataset, Stamp(catalog.meta("inputs"), outputs, unreadable))


def _check_apart(out: Path, sources: Iterable[Path | Source | None]) -> None:
    for source in sources:
        root = source.root if isinstance(source, Folders) else source
        if isinstance(root, Path) and out.resolve().is_relative_to(root.resolve()):
            raise DatasetError(
                f"{out} lies in {root}, expected a folder apart from the photos",
                hint="give --out another folder",
            )
