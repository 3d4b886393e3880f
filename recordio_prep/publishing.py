"""Moves what was made into the folder of records, so that nothing half-done is ever trusted."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from contracts import DATASET_FILE, MANIFEST_FILE, SPLITS, DatasetError, table_cell
from recordio_prep.files import sync_folder, written_through
from recordio_prep.shards import EXTENSIONS
from recordio_prep.stamp import STAMP_FILE, Stamp, file_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from recordio_prep.catalog import Catalog
    from recordio_prep.dataset import Dataset
    from recordio_prep.s3_records import S3Records
    from recordio_prep.shards import Written
    from recordio_prep.sources.source import Source

_RECORD_FILE = re.compile(
    rf"({'|'.join(SPLITS)})(_\d{{5,}})?\.({'|'.join(EXTENSIONS)})|{re.escape(MANIFEST_FILE)}"
)


def write_left_out(catalog: Catalog, sources: Mapping[str, Source], path: Path) -> None:
    """Every entry by path, those of a further source under its name."""
    rows = catalog.connection.execute(
        "SELECT part, path, reason FROM left_out ORDER BY part != 'photos', part, path, reason"
    )
    with written_through(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "reason"))
        for part, entry, reason in rows:
            listed = entry if part == "photos" else f"{sources[part].name}/{entry}"
            writer.writerow((table_cell(listed), table_cell(reason)))


def write_manifest(shards: Iterable[Written], path: Path) -> None:
    """Every shard, in order."""
    document = {"format": 1, "shards": [asdict(shard) for shard in shards]}
    with written_through(path) as file:
        file.write(json.dumps(document, indent=2) + "\n")


def refuse_foreign(out: Path, catalog: Path) -> None:
    """See to it that no file of somebody else's would be replaced or removed.

    Args:
        out: The folder of records.
        catalog: Of a preparation that was broken off there; if it is there, so may be its files.

    Raises:
        DatasetError: a file is named as records are, and no preparation wrote it.
    """
    if catalog.exists():
        return
    foreign = sorted(_record_files(out) - set(_former(out)))
    if foreign:
        raise DatasetError(
            f"{out} holds {foreign[0]}, which no preparation wrote there",
            hint="give --out another folder, or move it away",
        )


def publish(records: Path, out: Path, dataset: Dataset, stamp: Stamp) -> None:
    """Move the files of `records` into place, and write dataset.json and the stamp.

    Until dataset.json is back, nothing in `out` is to be trusted, and nothing is.
    """
    for name in (DATASET_FILE, STAMP_FILE):
        (out / name).unlink(missing_ok=True)
    new = sorted(path.name for path in records.iterdir())
    for name in _record_files(out) - set(new):
        (out / name).unlink()
    move_into_place(records, out)
    dataset.save(out)
    replace(stamp, outputs=file_sizes(out, [*new, DATASET_FILE])).save(out)


def move_into_place(files: Path, out: Path) -> None:
    """Every file of a folder into another on the same disk, each as a whole."""
    for path in sorted(files.iterdir()):
        path.replace(out / path.name)
    sync_folder(out)


def _record_files(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if _RECORD_FILE.fullmatch(path.name)}


def _former(out: Path) -> Iterable[str]:
    """What the last preparation wrote; of one older than the stamp, whatever is named so."""
    stamp = Stamp.load(out)
    if stamp is not None:
        return stamp.outputs
    return _record_files(out) if (out / DATASET_FILE).exists() else ()


def publish_to_s3(
    records: Path, out: S3Records, dataset: Dataset, stamp: Stamp, shards: Iterable[Written]
) -> None:
    """Likewise into a prefix of S3, where the workers have put the shards already."""
    files = sorted(records.iterdir())
    out.bring(files)
    new = {f"{shard.name}.{extension}" for shard in shards for extension in EXTENSIONS}
    new |= {path.name for path in files}
    sizes = out.sizes()
    out.remove(name for name in sizes if _RECORD_FILE.fullmatch(name) and name not in new)
    out.vouch(dataset, replace(stamp, outputs={name: sizes[name] for name in sorted(new)}))
