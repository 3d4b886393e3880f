"""`snapshelf convert`: an artifact of SageMaker's own algorithm becomes one to deploy."""

from __future__ import annotations

import json
from pathlib import Path

import click

from contracts import ARTIFACT_FILE, PHOTO_FIT, PHOTO_FITS
from scripts.training_process import convert, tell_log


@click.command("convert", short_help="Make SageMaker's own artifact one that can be deployed.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the new model.tar.gz goes; made if absent.",
)
@click.option(
    "--classes",
    metavar="NAME,NAME,...",
    help="Names in the order of the labels.  [default: 0,1,...]",
)
@click.option(
    "--fit",
    type=click.Choice(PHOTO_FITS),
    default=PHOTO_FIT,
    show_default=True,
    help="How photos become square, as SageMaker's endpoint did it.",
)
@click.option(
    "--mean", metavar="R,G,B", help="Taken from pixels of 0..255.  [default: 0,0,0, as SageMaker]"
)
@click.option("--std", metavar="R,G,B", help="Pixels are divided by it.  [default: 1,1,1]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def convert_command(
    *,
    model: Path,
    out: Path,
    classes: str | None,
    fit: str,
    mean: str | None,
    std: str | None,
    as_json: bool,
) -> None:
    """Make MODEL, an artifact of SageMaker's Image Classification, one that can be deployed.

    Its files stay as they are; model.onnx and model-card.json come beside them. The artifact knows
    neither the classes' names nor how photos are prepared: what the algorithm does is taken unless
    told otherwise. Training goes on from either artifact: `snapshelf train --model`.

    \b
    Example:
      snapshelf convert model.tar.gz --classes books,car,furniture --out shop
    """  # noqa: D301  # click reads the backspace
    settings = {"fit": fit}
    if classes is not None:
        settings["classes"] = json.dumps([name.strip() for name in classes.split(",")])
    settings |= {name: text for name, text in (("mean", mean), ("std", std)) if text is not None}
    card = convert(model, out, settings, tell_log)
    artifact = out / ARTIFACT_FILE
    if as_json:
        document = {"model": str(artifact), "version": card["version"], "classes": card["classes"]}
        click.echo(json.dumps(document))
        return
    click.echo(f"model {card['version']} of {len(card['classes'])} classes: {artifact}")
