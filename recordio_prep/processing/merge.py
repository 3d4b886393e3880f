"""The parts that the hosts of a job left become one dataset: `python -m ...merge RECORDS`.

RECORDS is the folder or `s3://bucket/prefix/` that all hosts wrote to. Shards stay as they are;
`manifest.json` and `left_out.csv` are written beside them, and dataset.json last.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import logging
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from contracts import (
    DATASET_FILE,
    LEFT_OUT_FILE,
    MANIFEST_FILE,
    SPLITS,
    DatasetError,
    SnapshelfError,
    table_cell,
)
from photo import Preparation
from recordio_prep import s3_storage
from recordio_prep.dataset import Dataset, Split
from recordio_prep.files import file_sizes_in, write_atomically
from recordio_prep.processing import part as parts_of
from recordio_prep.processing.part import Part
from recordio_prep.statistics import Moments
from recordio_prep.whereabouts import SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

_PART = re.compile(r"part_\d+\.json")
_HINT = "wait until every host is done, and give the folder or prefix that all of them wrote to"


class Records(Protocol):
    """Where the parts lie, and the dataset will."""

    def sizes(self) -> Mapping[str, int]: ...

    def read(self, name: str) -> str: ...

    def write(self, name: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Folder:
    folder: Path

    def sizes(self) -> Mapping[str, int]:
        return file_sizes_in(self.folder)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        write_atomically(self.folder / name, text)


@dataclass(frozen=True, slots=True)
class _Prefix:
    uri: str

    def sizes(self) -> Mapping[str, int]:
        return s3_storage.sizes(s3_storage.folder(self.uri))

    def read(self, name: str) -> str:
        content = s3_storage.read(s3_storage.within(s3_storage.folder(self.uri), name))
        return (content or b"").decode()

    def write(self, name: str, text: str) -> None:
        address = s3_storage.within(s3_storage.folder(self.uri), name)
        s3_storage.write(address, io.BytesIO(text.encode()))


def merge(records: Path | str) -> Dataset:
    """Make one dataset of all parts.

    Raises:
        DatasetError: a part or a shard is missing, parts differ in what must be the same, or a
            class has no training record.
        BrokenOffError: S3 refuses to answer.
    """
    place = _place(records)
    sizes = place.sizes()
    names = sorted(name for name in sizes if _PART.fullmatch(name))
    parts = [Part.parse(name, place.read(name)) for name in names]
    _check(records, parts, sizes)
    dataset = _dataset(parts)
    shards = sorted(
        (shard for part in parts for shard in part.shards),
        key=lambda shard: (SPLITS.index(shard.split), shard.name),
    )
    manifest = {"format": 1, "shards": [asdict(shard) for shard in shards]}
    place.write(LEFT_OUT_FILE, _left_out(place, parts))
    place.write(MANIFEST_FILE, json.dumps(manifest, indent=2) + "\n")
    place.write(DATASET_FILE, dataset.text())
    return dataset


def _place(records: Path | str) -> Records:
    if str(records).startswith(SCHEME):
        return _Prefix(str(records))
    folder = Path(records)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder", hint=_HINT)
    return _Folder(folder)


def _check(records: Path | str, parts: Sequence[Part], sizes: Mapping[str, int]) -> None:
    if not parts:
        raise DatasetError(f"{records}: no part_*.json in it", hint=_HINT)
    first = parts[0]
    for part in parts:
        if (part.hosts, part.settings, part.classes) != (
            *(first.hosts, first.settings, first.classes),
        ):
            raise DatasetError(
                f"parts {first.position} and {part.position} differ in hosts, settings or classes",
                hint="they are of two jobs: give each job an output prefix of its own",
            )
    missing = set(range(first.hosts)) - {part.position for part in parts}
    if missing:
        raise DatasetError(f"{records}: no part of host {min(missing)}", hint=_HINT)
    for shard in (shard for part in parts for shard in part.shards):
        found = sizes.get(f"{shard.name}.rec")
        if found != shard.bytes:
            raise DatasetError(
                f"{records}: {shard.name}.rec has {found} bytes, expected {shard.bytes}", hint=_HINT
            )


def _dataset(parts: Sequence[Part]) -> Dataset:
    settings, classes = parts[0].settings, parts[0].classes
    splits = {split: found for split in SPLITS if (found := _split(parts, split)).photos}
    train = splits.get("train")
    bare = [name for name in classes if train is None or not train.by_class[name]]
    if bare:
        raise DatasetError(
            f"no photo to train on of {', '.join(bare)}",
            hint="is its name that of the folder? A class of a few photos may have none by chance:"
            " another --seed",
        )
    mean, std = _sum([part.moments for part in parts]).mean_and_std()
    return Dataset(
        classes=classes,
        preparation=Preparation(settings["size"], settings["fit"], mean, std),
        splits=splits,
        left_out=sum(part.left_out for part in parts),
        seed=settings["seed"],
        train_ratio=settings["train_ratio"],
        encoding={split: settings["encoding"][split] for split in splits},
        quality=settings["quality"],
        fingerprint=_fingerprint(parts),
    )


def _split(parts: Sequence[Part], split: str) -> Split:
    shards = (shard for part in parts for shard in part.shards if shard.split == split)
    counts = [part.counts.get(split, {}) for part in parts]
    by_class = {name: sum(one.get(name, 0) for one in counts) for name in parts[0].classes}
    return Split(sum(shard.records for shard in shards), by_class)


def _sum(moments: Sequence[Moments]) -> Moments:
    """Integers, so that the order of the hosts changes nothing."""
    red, green, blue = (sum(one.sums[channel] for one in moments) for channel in range(3))
    red2, green2, blue2 = (sum(one.squares[channel] for one in moments) for channel in range(3))
    pixels = sum(one.pixels for one in moments)
    return Moments(pixels, (red, green, blue), (red2, green2, blue2))


def _fingerprint(parts: Sequence[Part]) -> str:
    digest = hashlib.sha256()
    for part in sorted(parts, key=lambda part: part.position):
        digest.update(f"{part.fingerprint}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _left_out(place: Records, parts: Sequence[Part]) -> str:
    rows: list[list[str]] = []
    for part in parts:
        text = place.read(parts_of.LEFT_OUT_FILE.format(position=part.position))
        rows += csv.reader(io.StringIO(text))
    joined = io.StringIO()
    writer = csv.writer(joined, lineterminator="\n")
    writer.writerow(("path", "reason"))
    writer.writerows([table_cell(cell) for cell in row] for row in sorted(rows))
    return joined.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Merge; 0 when dataset.json stands, 1 with the reason."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        prog="python -m recordio_prep.processing.merge", description=__doc__
    )
    parser.add_argument("records", help="folder or s3://bucket/prefix/")
    chosen = parser.parse_args(arguments)
    try:
        dataset = merge(chosen.records)
    except SnapshelfError as error:
        logger.error("ERROR %s\nHINT  %s", error.message, error.hint)  # noqa: TRY400 (no bug)
        return 1
    for name, split in dataset.splits.items():
        logger.info("%s: %d records", name, split.photos)
    return 0


if __name__ == "__main__":
    sys.exit(main())
