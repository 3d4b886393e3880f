"""From category folders to a folder of records: the whole of `snapshelf prepare`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections import Counter
from typing import TYPE_CHECKING

from contracts import DATASET_FILE, LEFT_OUT_FILE, PHOTO_FIT, PHOTO_SIZE, SPLITS, DatasetError
from photo import Preparation
from recordio_prep.dataset import Dataset, Split
from recordio_prep.files import staging, write_atomically
from recordio_prep.folders import LeftOut
from recordio_prep.pack import Packed, pack, repack
from recordio_prep.plan import Source, plan_items
from recordio_prep.settings import Settings
from recordio_prep.stamp import STAMP_FILE, Stamp, file_sizes, inputs_digest
from recordio_prep.statistics import mean_and_std
from recordio_prep.workers import worker_count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from recordio_prep.plan import Item

logger = logging.getLogger(__name__)

_RECORD_FILES = [f"{split}.{extension}" for split in SPLITS for extension in ("rec", "idx", "lst")]


def prepare(
    photos: Path,
    out: Path,
    *,
    size: int = PHOTO_SIZE,
    train_ratio: float = 0.7,
    seed: int = 0,
    validation: Path | None = None,
    test: Path | None = None,
    encoding: str | None = None,
    quality: int = 95,
    strict: bool = False,
    workers: int | None = None,
) -> Dataset:
    """Pack `photos/<category>/...` into records that MXNet and SageMaker read.

    Writes `{train,validation,test}.{rec,idx,lst}`, `left_out.csv` and, last, `dataset.json` into
    `out`. The same photos, settings and Pillow give the same bytes on any number of workers. If
    nothing changed since the last run, what is there is kept.

    Args:
        photos: The folder of category folders.
        out: Where the records go; made if absent.
        size: Width and height of a packed photo, in pixels.
        train_ratio: Share of each category that is trained on; not used if `validation` is given.
        seed: Decides the split and the order of the training photos.
        validation: A folder with the same categories, packed as a whole as the validation split.
        test: Likewise for the test split.
        encoding: "jpeg" or "png" for all splits; by default train is JPEG, the others PNG.
        quality: Of JPEG, 1 to 100.
        strict: Refuse to pack if any photo cannot be read.
        workers: Processes that encode; by default one for each core.

    Raises:
        DatasetError: the folders or settings cannot be used, or `strict` found unreadable photos.
    """
    settings = Settings(
        size=size,
        train_ratio=1.0 if validation else train_ratio,
        seed=seed,
        encoding=encoding,
        quality=quality,
    )
    _check_apart(out, [folder for folder in (photos, validation, test) if folder])
    source = Source.read(photos, validation=validation, test=test)
    inputs = inputs_digest(source, settings)
    with staging(out) as scratch:
        kept = _kept(out, inputs, strict=strict)
        if kept:
            logger.info("%s is up to date", out)
            return kept
        return _pack_into(out, scratch, source, settings, inputs, strict=strict, workers=workers)


def _kept(out: Path, inputs: str, *, strict: bool) -> Dataset | None:
    stamp = Stamp.load(out)
    if stamp is None or not stamp.holds(out, inputs) or (strict and stamp.unreadable):
        return None
    return Dataset.load(out)


def _pack_into(
    out: Path,
    scratch: Path,
    source: Source,
    settings: Settings,
    inputs: str,
    *,
    strict: bool,
    workers: int | None,
) -> Dataset:
    packed, unreadable, folder = _packed(scratch, source, settings, workers)
    left_out = sorted([*source.left_out(), *unreadable], key=lambda entry: entry.path)
    _report(left_out, strict=strict)
    dataset = _dataset(source, settings, packed, left_out)
    _publish(folder, out, dataset, _left_out_csv(left_out))
    outputs = file_sizes(out, [*_RECORD_FILES, LEFT_OUT_FILE, DATASET_FILE])
    Stamp(inputs, outputs, sum(entry.photo for entry in left_out)).save(out)
    return dataset


def _publish(folder: Path, out: Path, dataset: Dataset, left_out: str) -> None:
    """Move the records into place; until dataset.json is back, they are not to be trusted."""
    for name in (DATASET_FILE, STAMP_FILE):
        (out / name).unlink(missing_ok=True)
    for name in _RECORD_FILES:
        if (folder / name).exists():
            (folder / name).replace(out / name)
        else:
            (out / name).unlink(missing_ok=True)
    write_atomically(out / LEFT_OUT_FILE, left_out)
    dataset.save(out)


def _packed(
    scratch: Path, source: Source, settings: Settings, workers: int | None
) -> tuple[list[Packed], list[LeftOut], Path]:
    """Pack; if photos are unreadable, divide the rest again as if those had never been there."""
    folder = scratch / "0"
    folder.mkdir()
    plan = plan_items(source, settings)
    count = worker_count(sum(map(len, plan.values())), workers)
    packed, newly = pack(plan, folder, settings, workers=count)
    unreadable = list(newly)
    while newly:
        plan = plan_items(source, settings, without={item.file for item, _ in unreadable})
        folder = folder.with_name(str(int(folder.name) + 1))
        folder.mkdir()
        packed, newly = repack(plan, folder, settings, packed=packed)
        unreadable += newly
    left_out = [
        LeftOut(source.listed_path(item.root, item.photo.path), why, photo=True)
        for item, why in unreadable
    ]
    return packed, left_out, folder


def _report(left_out: Sequence[LeftOut], *, strict: bool) -> None:
    unreadable = [entry for entry in left_out if entry.photo]
    for entry in unreadable:
        logger.log(
            logging.ERROR if strict else logging.DEBUG, "left out: %s: %s", entry.path, entry.reason
        )
    if strict and unreadable:
        first = unreadable[0]
        raise DatasetError(
            f"{len(unreadable)} photos cannot be read, the first: {first.path}: {first.reason}",
            hint="mend or remove them, or leave out --strict",
        )
    if left_out:
        logger.warning(
            "left out %d photos that cannot be read and %d other files: see %s",
            len(unreadable),
            len(left_out) - len(unreadable),
            LEFT_OUT_FILE,
        )


def _dataset(
    source: Source, settings: Settings, packed: Sequence[Packed], left_out: Collection[LeftOut]
) -> Dataset:
    classes = source.photos.categories
    splits: dict[str, Split] = {}
    for split in SPLITS:
        counts = Counter(entry.item.photo.category for entry in packed if entry.item.split == split)
        if counts:
            by_class = {name: counts[name] for name in classes}
            splits[split] = Split(photos=sum(counts.values()), by_class=by_class)
    _check_splits(source, splits)
    mean, std = mean_and_std(entry.moments for entry in packed if entry.item.split == "train")
    return Dataset(
        classes=classes,
        preparation=Preparation(settings.size, PHOTO_FIT, mean, std),
        splits=splits,
        left_out=len(left_out),
        seed=settings.seed,
        train_ratio=settings.train_ratio,
        encoding={split: settings.encoding_of(split) for split in splits},
        quality=settings.quality,
        fingerprint=_fingerprint(settings, packed),
    )


def _check_splits(source: Source, splits: Mapping[str, Split]) -> None:
    by_class = splits["train"].by_class if "train" in splits else {}
    given = {"validation": source.validation, "test": source.test}
    bare = [name for name in source.photos.categories if not by_class.get(name)]
    bare += [str(folder.root) for split, folder in given.items() if folder and split not in splits]
    if bare:
        raise DatasetError(
            f"no photo can be read of {', '.join(bare)}",
            hint="`file PHOTO` tells what they are; save them again as JPEG or PNG",
        )


def _fingerprint(settings: Settings, packed: Iterable[Packed]) -> str:
    digest = hashlib.sha256(json.dumps(settings.to_dict()).encode())
    for entry in packed:
        digest.update(f"\n{_line(entry.item)}\t{entry.digest.hex()}".encode())
    return f"sha256:{digest.hexdigest()}"


def _line(item: Item) -> str:
    return f"{item.split}\t{item.index}\t{item.label}\t{item.photo.path}"


def _left_out_csv(left_out: Iterable[LeftOut]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("path", "reason"))
    writer.writerows((entry.path, entry.reason) for entry in left_out)
    return buffer.getvalue()


def _check_apart(out: Path, folders: Iterable[Path]) -> None:
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(
                f"{out} lies in {folder}, expected a folder apart from the photos",
                hint="give --out another folder",
            )
