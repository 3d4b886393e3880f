"""`snapshelf prepare`: photos become records."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from contracts import DATASET_FILE, LEFT_OUT_FILE, PHOTO_FIT, PHOTO_FITS, PHOTO_SIZE
from recordio_prep import prepare
from recordio_prep.settings import ENCODINGS, MAX_QUALITY, MAX_SIZE
from scripts.photo_sources import given_place, open_given, source_options
from scripts.scale_options import absolutely, scale_options, whereabouts

if TYPE_CHECKING:
    from recordio_prep import Dataset
    from recordio_prep.whereabouts import Whereabouts

_SHOWN_CLASSES = 30


@click.command("prepare", short_help="Pack photos into records.")
@click.argument("photos")
@click.option(
    "--out",
    required=True,
    callback=given_place,
    help="Where the records go: a folder, or s3://bucket/prefix/.",
)
@click.option("--validation", help="Photos of the same categories, for validation as a whole.")
@click.option("--test", help="Likewise, for the final test.")
@click.option(
    "--size",
    type=click.IntRange(1, MAX_SIZE),
    default=PHOTO_SIZE,
    show_default=True,
    help="Width and height of a packed photo, in pixels.",
)
@click.option(
    "--fit",
    type=click.Choice(PHOTO_FITS),
    default=PHOTO_FIT,
    show_default=True,
    help="How a photo becomes square: both sides scaled, the middle cut out, or white added.",
)
@click.option(
    "--train-ratio",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    show_default=True,
    help="Share of each category that is trained on; the rest is for validation.",
)
@click.option("--seed", default=0, show_default=True, help="Decides the split and the order.")
@click.option(
    "--encoding",
    type=click.Choice(ENCODINGS),
    help="For all records. By default train is JPEG, validation and test PNG (lossless).",
)
@click.option(
    "--quality",
    type=click.IntRange(1, MAX_QUALITY),
    default=95,
    show_default=True,
    help="JPEG quality.",
)
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    help="Records in a file: train_00000.rec and on, with a manifest.json.",
)
@click.option(
    "--drop-duplicates",
    is_flag=True,
    help="Keep one of the photos that show the same, and none that several categories claim.",
)
@click.option("--drop-empty", is_flag=True, help="Leave out photos of a single colour.")
@click.option(
    "--cap-per-class", type=click.IntRange(min=1), help="Largest number of photos of a category."
)
@click.option(
    "--balance",
    is_flag=True,
    help="Repeat training photos until every category has as many as the largest.",
)
@click.option(
    "--positive",
    metavar="CATEGORY",
    help="Tell this category from all others, which become `other`: two categories in all.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that encode.  [default: one for each core]",
)
@scale_options
@click.option(
    "--strict",
    is_flag=True,
    help="Fail if a photo cannot be read, or the check finds an error or a warning.",
)
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def prepare_command(
    *,
    photos: str,
    out: str,
    validation: str | None,
    test: str | None,
    as_json: bool,
    added: tuple[str, ...],
    **options: Any,
) -> None:
    """Pack PHOTOS into records for training.

    PHOTOS is a folder of category folders: a photo belongs to the top folder that it lies in,
    however deep. It can also be a .lst with its photos, a .csv or .tsv of links (or a folder of
    <category>/data.csv), Cdiscount's .bson, an IDX file or a .csv of pixels as Fashion-MNIST has
    them, a zip or tar of any of these, or an address s3://bucket/...

    Photos of any common format, colour mode and orientation become upright RGB squares; what
    cannot be read is listed with its reason in left_out.csv. The split is stratified: the same
    share of every category is trained on, photos of one product and photos that show the same stay
    on one side, and adding photos later hardly moves others across.

    OUT then holds train and validation (and test) as .rec, .idx and .lst, which MXNet and
    SageMaker read, and dataset.json. A second run with nothing changed keeps what is there; a run
    that was broken off goes on where it was.

    \b
    Example:
      snapshelf prepare photos --out records
      snapshelf prepare photos/train --test photos/test --out records --train-ratio 0.8
      snapshelf prepare train.bson --out records --shard-size 10000 --drop-duplicates
      snapshelf prepare photos --add s3://bucket/feedback/ --out records
      snapshelf prepare s3://bucket/photos/ --out s3://bucket/records/ --shard-size 10000 \\
          --engine dask://scheduler:8786
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    start = time.monotonic()
    where, options = whereabouts(out, options)
    given = {"photos": photos, "validation": validation, "test": test}
    further = [absolutely(address, where) for address in added]
    sources, options = open_given(
        {part: absolutely(address, where) for part, address in given.items() if address},
        where.folder,
        options,
        further,
    )
    former = _written(where)
    dataset = prepare(
        sources["photos"],
        out,
        work=where.work,
        state=where.state,
        engine=where.engine,
        validation=sources.get("validation"),
        test=sources.get("test"),
        **options,
    )
    up_to_date = _written(where) == former
    photos_per_second = None if up_to_date else _total(dataset) / (time.monotonic() - start)
    if as_json:
        result = {"records": out, "up_to_date": up_to_date, **dataset.to_dict()}
        click.echo(json.dumps(result | {"photos_per_second": photos_per_second}))
    else:
        click.echo(_table(dataset))
        click.echo(_summary(dataset, out, photos_per_second))


def _written(where: Whereabouts) -> Any:
    """When dataset.json was written, or what S3 knows it by; the same where nothing changed."""
    if where.records is not None:
        return where.records.version()
    try:
        return (where.folder / DATASET_FILE).stat().st_mtime_ns
    except OSError:  # absent; what else may be wrong with the folder is told when it is written to
        return None


def _total(dataset: Dataset) -> int:
    return sum(split.photos for split in dataset.splits.values())


def _table(dataset: Dataset) -> str:
    """Counts by category and split; of many categories those with the most records."""
    splits = dataset.splits.values()
    shown = list(dataset.classes)
    if len(shown) > _SHOWN_CLASSES:
        shown.sort(key=lambda name: -sum(split.by_class[name] for split in splits))
        del shown[_SHOWN_CLASSES:]
    rows = [
        ("category", *dataset.splits),
        *((name, *(f"{split.by_class[name]:,}" for split in splits)) for name in shown),
        ("all", *(f"{split.photos:,}" for split in splits)),
    ]
    if len(shown) < len(dataset.classes):
        rows.insert(-1, (f"... {len(dataset.classes) - len(shown):,} more",))
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{name:<{width}}" + "".join(f"{count:>12}" for count in counts) for name, *counts in rows
    )


def _summary(dataset: Dataset, out: str, photos_per_second: float | None) -> str:
    preparation = dataset.preparation
    rate = "up to date" if photos_per_second is None else f"{photos_per_second:,.0f} photos/s"
    return "\n".join(
        (
            f"mean  {_channels(preparation.mean)}   std  {_channels(preparation.std)}   of 0..255",
            f"left out  {dataset.left_out:,}" + (f" ({LEFT_OUT_FILE})" * bool(dataset.left_out)),
            f"{out}: {preparation.size} x {preparation.size} pixels, {rate}",
        )
    )


def _channels(values: tuple[float, float, float]) -> str:
    return " ".join(
        f"{name} {value:.1f}" for name, value in zip(("R", "G", "B"), values, strict=True)
    )
