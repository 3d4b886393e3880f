"""`snapshelf models compare` and `drift`: models that are asked about photos."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts import DatasetError
from scripts.registered import find_model, print_result
from scripts.target_options import with_json, with_target

if TYPE_CHECKING:
    from infra.targets import Target


@click.command("compare")
@click.argument("first", metavar="FIRST")
@click.argument("second", metavar="SECOND")
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@with_target
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where differences.csv goes: the photos that the two name otherwise.",
)
@with_json
def compare_command(
    *,
    first: str,
    second: str,
    photos: Path,
    name: str,
    target: Target,
    out: Path | None,
    as_json: bool,
) -> None:
    """Ask two models about the same PHOTOS/<category>/, and say whether one is better.

    FIRST and SECOND are version numbers, `live` for what answers now, or paths of models.
    """
    from scripts.comparing import compare_models, summary

    with tempfile.TemporaryDirectory() as folder:
        paths = [
            find_model(given, name, target, Path(folder) / side)
            for given, side in ((first, "first"), (second, "second"))
        ]
        result = compare_models(paths[0], paths[1], photos, out)
    print_result(result.document(), as_json, summary(result, first, second, out))


@click.command("drift")
@click.argument("model", metavar="MODEL")
@click.argument("incoming", required=False)
@click.option(
    "--reference",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Photos that MODEL was validated or tested on.",
)
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    help="Only what came in within so many days, by the time of change.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Most photos of INCOMING that are looked at.",
)
@with_target
@click.option("--strict", is_flag=True, help="End with 1 if something has drifted.")
@with_json
def drift_command(
    *,
    model: str,
    incoming: str | None,
    reference: Path,
    days: float | None,
    sample: int,
    name: str,
    target: Target,
    strict: bool,
    as_json: bool,
) -> None:
    """Say whether the photos in INCOMING are still like those that MODEL was made for.

    Compares what the network saw (brightness, contrast, colour) and what it answered (confidence,
    energy, categories). MODEL is a version number, `live`, or a path. INCOMING is a folder or
    s3://bucket/prefix/ of photos, with or without categories, or of what SageMaker's data capture
    wrote; left out, it is what `snapshelf deploy --data-capture` kept of this deployment.
    """
    from scripts.asking import load_model
    from scripts.drifting import find_drift
    from scripts.drifting import table as drift_table
    from scripts.incoming import Photos, find_incoming, places_in

    came = find_incoming(incoming, name, target, days)
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_model(find_model(model, name, target, Path(folder) / "model"))
    drift = find_drift(loaded, came, Photos(str(reference), places_in(reference)), sample)
    print_result(drift.document(), as_json, "\n".join(drift_table(drift)))
    if strict and drift.size != "none":
        raise DatasetError(
            f"{came.name} has drifted from {reference}: {drift.size}",
            hint="look at the photos, name some of them, and train again",
        )
