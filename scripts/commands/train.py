"""`snapshelf train`: records become a model artifact, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from contracts import ARTIFACT_FILE, SPLITS
from recordio_prep import Dataset
from scripts.training_process import REPORT_FOLDER, tell_log, train


@click.command("train", short_help="Train a network on records.")
@click.argument("records", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where model.tar.gz and the report go; made if absent.",
)
@click.option(
    "--network",
    metavar="NAME",
    help="resnet34, efficientnet-lite0, ...: see docs/training.md.  [default: resnet34, or that "
    "of --pretrained or --model]",
)
@click.option("--epochs", type=click.IntRange(min=1), default=6, show_default=True)
@click.option(
    "--pretrained",
    metavar="NAME|FILE|URL",
    help="Weights to start from: efficientnet-lite0 to 2, or a .pth, .safetensors or .params file.",
)
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path),
    help="A former model.tar.gz to go on from.",
)
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Time to train.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="HYPERPARAMETER=VALUE",
    help="Any other hyperparameter; may be given again and again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train_command(  # one keyword for each option
    *,
    records: Path,
    out: Path,
    network: str | None,
    epochs: int,
    pretrained: str | None,
    model: Path | None,
    max_minutes: float | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a network on RECORDS, as `snapshelf prepare` wrote them; OUT/model.tar.gz is the model.

    The same program runs here as in a SageMaker training job. The learning rate falls
    exponentially, learning_rate * exp(-lr_decay * epoch), unless lr_schedule says otherwise; the
    weights of the epoch with the best validation accuracy are kept; photos of a test split are
    asked once, at the end. OUT/report tells what the model is worth.

    With --pretrained a logistic regression is what the last layer begins with (head_start=1); all
    layers are then trained gently (learning_rate=0.002, freeze_statistics=1). With
    --set freeze_epochs=EPOCHS they keep what they have learnt elsewhere, which takes seconds.

    A run that was broken off goes on where it was: give the same command again.

    All hyperparameters for --set stand in docs/training.md.

    \b
    Examples:
      snapshelf train records --out model --epochs 8 --set augmentation_type=crop
      snapshelf train records --out model --pretrained efficientnet-lite0 --epochs 3
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    size = Dataset.load(records).preparation.size
    given = dict(_pair(setting) for setting in settings)
    hyperparameters = {
        "epochs": str(epochs),
        "image_shape": f"3,{size},{size}",
        **_chosen(network, pretrained, goes_on=bool(model)),
        **_manner(given, learnt_elsewhere=bool(pretrained), goes_on=bool(model)),
        **({"max_minutes": str(max_minutes)} if max_minutes else {}),
        **given,
    }
    card = train(records, out, hyperparameters, tell_log, model=model)
    _print(card, out, as_json=as_json)


def _chosen(network: str | None, pretrained: str | None, *, goes_on: bool) -> dict[str, str]:
    follows = network is None and (pretrained or goes_on)
    chosen = {} if follows else {"network": network or "resnet34"}
    if pretrained is None:
        return chosen
    # The job runs in a folder of its own.
    found = Path(pretrained)
    return chosen | {"pretrained": str(found.resolve()) if found.exists() else pretrained}


def _manner(given: dict[str, str], *, learnt_elsewhere: bool, goes_on: bool) -> dict[str, str]:
    """How to train, unless told otherwise: the more is known already, the gentler."""
    if goes_on:
        return {"learning_rate": "0.005"}
    if not learnt_elsewhere:
        return {"learning_rate": "0.05"}
    several = given.get("multi_label") in ("1", "True")
    start = {} if several else {"head_start": "1"}
    return {"learning_rate": "0.002", "freeze_statistics": "1", **start}


def _pair(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{setting!r}: expected HYPERPARAMETER=VALUE", param_hint="--set")
    return name, value


def _print(card: dict[str, Any], out: Path, *, as_json: bool) -> None:
    metrics, artifact = card["metrics"], out / ARTIFACT_FILE
    if as_json:
        document = {"model": str(artifact), "version": card["version"], "metrics": metrics}
        click.echo(json.dumps(document))
        return
    for split in SPLITS:
        score = metrics.get(f"{split}_accuracy")
        if score is not None:
            click.echo(f"{split:<11} {score:8.2%}   {metrics['photos'][split]:,} photos")
    speeds = {epoch["size"]: epoch["images_per_second"] for epoch in metrics["epochs"]}
    told = ", ".join(f"{speed:.0f} at {size} pixels" for size, speed in speeds.items())
    click.echo(f"{metrics['seconds']:.0f} s; images a second in training: {told}")
    for page in sorted((out / REPORT_FOLDER).glob("*/report.html")):
        click.echo(f"report: {page}")
    click.echo(f"model {card['version']}: {artifact}")
