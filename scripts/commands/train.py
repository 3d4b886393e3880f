"""`snapshelf train`: records become a model artifact, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from contracts import ARTIFACT_FILE
from recordio_prep import Dataset
from scripts.training_process import train

NETWORKS = {f"resnet{layers}": layers for layers in (18, 34, 50, 101, 152)}
_NOISE = ("ImageRecordIOParser2", "ImageRecordIter2", "DeprecationWarning")


@click.command("train", short_help="Train a network on records.")
@click.argument("records", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where model.tar.gz goes; made if absent.",
)
@click.option("--network", type=click.Choice(list(NETWORKS)), default="resnet34", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=6, show_default=True)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="HYPERPARAMETER=VALUE",
    help="Any other hyperparameter; may be given again and again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train_command(
    *,
    records: Path,
    out: Path,
    network: str,
    epochs: int,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a network on RECORDS, as `snapshelf prepare` wrote them; OUT/model.tar.gz is the model.

    The same program runs here as in a SageMaker training job. The learning rate falls
    exponentially, learning_rate * exp(-lr_decay * epoch); the weights of the epoch with the best
    validation accuracy are kept; photos of a test split are asked once, at the end.

    \b
    Hyperparameters for --set, with their defaults:
      learning_rate=0.05  lr_schedule=exponential|constant  lr_decay=0.05
      momentum=0.9  weight_decay=0.0001  mini_batch_size=32
      augmentation_type=none|crop|crop_color|crop_color_transform
      picture_sizes=56:2,80:2,112:2   smaller, faster pictures in the first epochs
      epoch_photos=0                  photos in an epoch; 0: all
      stem_pooling=1                  2: the network halves the picture first, 4 times as fast
      threshold=0.5                   below it the verdict is "none"
      seed=0

    \b
    Example:
      snapshelf train records --out model --epochs 8 --set augmentation_type=crop
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    size = Dataset.load(records).preparation.size
    hyperparameters = {
        "num_layers": str(NETWORKS[network]),
        "epochs": str(epochs),
        "image_shape": f"3,{size},{size}",
        "learning_rate": "0.05",
        **dict(_pair(setting) for setting in settings),
    }
    card = train(records, out, hyperparameters, _tell)
    _print(card, out / ARTIFACT_FILE, as_json=as_json)


def _pair(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{setting!r}: expected HYPERPARAMETER=VALUE", param_hint="--set")
    return name, value


def _tell(line: str) -> None:
    if not any(noise in line for noise in _NOISE):
        click.echo(line, err=True)


def _print(card: dict[str, Any], artifact: Path, *, as_json: bool) -> None:
    metrics = card["metrics"]
    if as_json:
        document = {"model": str(artifact), "version": card["version"], "metrics": metrics}
        click.echo(json.dumps(document))
        return
    for split in ("train", "validation", "test"):
        score = metrics.get(f"{split}_accuracy")
        if score is not None:
            click.echo(f"{split:<11} {score:8.2%}   {metrics['photos'][split]:,} photos")
    speeds = {epoch["size"]: epoch["images_per_second"] for epoch in metrics["epochs"]}
    told = ", ".join(f"{speed:.0f} at {size} pixels" for size, speed in speeds.items())
    click.echo(f"{metrics['seconds']:.0f} s; images a second in training: {told}")
    click.echo(f"model {card['version']}: {artifact}")
