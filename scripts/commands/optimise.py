"""`snapshelf optimise`: a model's runtimes measured, and 8 bits where they are as right."""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from contracts import MODEL_CARD_FILE, ArtifactError, DatasetError, PhotoError
from photo import Preparation
from scripts.rewriting import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recordio_prep.sources.source import Photo

logger = logging.getLogger(__name__)

_SHARE = 10
"""Without training photos every tenth of the others sets the ranges, and is not measured on."""

_AT_ONCE = 64
"""Photos that are decoded ahead."""

_COLUMNS = ("runtime", "accuracy", "equal verdicts", "one photo, ms", "p95", "photos/s", "MB")


@click.command("optimise", short_help="Find the fastest runtime for a model.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--photos",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Category folders of photos that the model was not trained on, to measure it by.",
)
@click.option(
    "--calibrate-on",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Category folders of training photos, for the ranges of 8-bit numbers."
    "  [default: a tenth of --photos]",
)
@click.option(
    "--calibration-photos",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    metavar="N",
    help="How many of them, evenly taken.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="one a core",
    help="For one prediction, as the endpoint will have them.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the new model.tar.gz goes; made if absent.  [default: in place]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the card then says, as JSON.")
def optimise_command(
    *,
    model: Path,
    photos: Path,
    calibrate_on: Path | None,
    calibration_photos: int,
    threads: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure MODEL on every runtime of this machine, in float32 and in 8 bits, and note the best.

    The 8-bit network is kept beside the other only where it loses less than half a point of
    accuracy on PHOTOS. The model card gets all figures and the order in which hosting takes the
    runtimes; SNAPSHELF_RUNTIME overrides it.

    \b
    Example:
      snapshelf optimise model --photos photos/test --calibrate-on photos/train
    """  # noqa: D301  # click reads the backspace
    from optimisation.artifact import optimise

    with rewritten(model, out) as unpacked:
        preparation, classes = _read_card(unpacked / MODEL_CARD_FILE)
        measured, others = _photos(photos, calibrate_on, classes)
        calibration = list(
            _pictures(preparation, calibrate_on or photos, _evenly(others, calibration_photos))
        )
        labels = {name: number for number, name in enumerate(classes)}
        runtimes = optimise(
            unpacked,
            calibration=[picture for picture, _ in calibration],
            photos=(
                (picture, labels[category])
                for picture, category in _pictures(preparation, photos, measured)
            ),
            threads=threads,
        )
    click.echo(json.dumps(runtimes) if as_json else "\n".join(_table(runtimes)))


def _read_card(path: Path) -> tuple[Preparation, list[str]]:
    """How photos are prepared, and the categories in class order.

    Raises:
        ArtifactError: there is no card, or it is damaged.
        DatasetError: a photo may be of several categories, which folders do not tell.
    """
    try:
        card = json.loads(path.read_text())
        classes = [str(name) for name in card["classes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path.name}: {error!r}, expected a model card",
            hint="of SageMaker's own artifact, `snapshelf convert` makes one with a card",
        ) from error
    if card.get("multi_label"):
        raise DatasetError(
            "multi_label true in the model card: expected a model of one category a photo",
            hint="such a model is served in float32",
        )
    return Preparation.from_dict(card["photo"]), classes


def _photos(
    root: Path, training: Path | None, classes: Sequence[str]
) -> tuple[list[Photo], list[Photo]]:
    """The photos to measure on, and those to calibrate by."""
    from scripts.asking import find_photos

    found = find_photos(root, classes)
    if training is not None:
        return found, find_photos(training, classes)
    return [each for at, each in enumerate(found) if at % _SHARE], found[::_SHARE]


def _evenly(photos: Sequence[Photo], count: int) -> list[Photo]:
    """`count` of the photos at equal distances, so that each category has its share."""
    if len(photos) <= count:
        return list(photos)
    return [photos[at * len(photos) // count] for at in range(count)]


def _pictures(
    preparation: Preparation, root: Path, photos: Sequence[Photo]
) -> Iterator[tuple[Any, str]]:
    """Each photo that can be read as the network's input, with its category; others are told."""

    def prepare(photo: Photo) -> Any:
        try:
            return preparation.array((root / photo.path).read_bytes())
        except (PhotoError, OSError) as error:
            logger.warning("%s: left out: %s", root / photo.path, error)
            return None

    bar = tqdm(total=len(photos), unit="photo", disable=None)
    with bar, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(photos), _AT_ONCE):
            chunk = photos[start : start + _AT_ONCE]
            for photo, picture in zip(chunk, pool.map(prepare, chunk), strict=True):
                bar.update()
                if picture is not None:
                    yield picture, photo.categories[0]


def _table(runtimes: dict[str, Any]) -> list[str]:
    """A line a runtime, then what hosting takes and what not."""
    measured = runtimes["measured"]
    rows = [_COLUMNS, *(_row(name, each) for name, each in measured.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [name.ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        )
        for name, *cells in rows
    ]
    objections = [
        f"not taken: {name}, {each['objection']}"
        for name, each in measured.items()
        if each["objection"]
    ]
    photos = f"{runtimes['photos']} photos, calibrated on {runtimes['calibration_photos']} others"
    return [*lines, photos, *objections, f"hosting takes {', else '.join(runtimes['order'])}"]


def _row(name: str, measured: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{measured['accuracy']:.2%}",
        f"{measured['equal_verdicts']:.2%}",
        f"{measured['median_ms']:.2f}",
        f"{measured['p95_ms']:.2f}",
        f"{measured['photos_per_second']:.0f}",
        f"{measured['megabytes']:.1f}",
    )
