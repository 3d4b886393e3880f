"""`snapshelf evaluate`: a model's accuracy on a folder of photos, as the endpoint would answer."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from contracts import DatasetError, PhotoError
from infra.deploy.plan import find_artifact
from infra.sagemaker.artifacts import unpack
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.source import Photo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hosting.model import Model

METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True, slots=True)
class Answer:
    """One photo's label and what the model made of it; `error` says why it made nothing."""

    path: str
    label: str
    prediction: str = ""
    probability: float = 0.0
    error: str = ""


@click.command("evaluate", short_help="Measure a model on photos.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where metrics.json and predictions.csv go; made if absent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json on stdout.")
def evaluate_command(*, model: Path, photos: Path, out: Path, as_json: bool) -> None:
    """Measure MODEL on PHOTOS/<category>/, photo by photo, with the runtime that serves it.

    MODEL is a model.tar.gz or the folder that holds one. A photo that cannot be read counts
    neither way; it is listed, with its reason, in predictions.csv.

    \b
    Example:
      snapshelf evaluate model photos/test --out report
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    from hosting.model import Model

    _make(out)
    with tempfile.TemporaryDirectory() as folder:
        unpack(find_artifact(model), Path(folder))
        loaded = Model.load(Path(folder), threads=1)
    found = _photos(photos, loaded.classes)
    start = time.perf_counter()
    answers = list(tqdm(_ask(loaded, photos, found), total=len(found), unit="photo"))
    seconds = time.perf_counter() - start
    _write_predictions(out, answers)
    metrics = _metrics(answers, loaded, seconds)
    _replace(out / METRICS_FILE, json.dumps(metrics, indent=1, ensure_ascii=False))
    if as_json:
        click.echo(json.dumps(metrics, ensure_ascii=False))
        return
    click.echo(f"accuracy {metrics['accuracy']:.2%} ({metrics['right']} of {metrics['photos']})")
    click.echo(f"{metrics['unreadable']} unreadable; {metrics['photos_per_second']:.0f} photos/s")
    click.echo(f"report: {out}")


def _photos(root: Path, classes: Collection[str]) -> list[Photo]:
    """The photos of category folders, by path.

    Raises:
        DatasetError: there is none, or one of a category that the model does not know.
    """
    entries = Folders(root, may_lack=True).entries()
    photos = [entry for entry in entries if isinstance(entry, Photo)]
    if not photos:
        raise DatasetError(f"Found 0 photos in {root}", hint=f"photos lie in {root}/<category>/")
    unknown = sorted({photo.categories[0] for photo in photos} - set(classes))
    if unknown:
        raise DatasetError(
            f"{root}: unknown category {', '.join(unknown)},"
            f" expected some of {', '.join(sorted(classes))}",
            hint="category folders must bear the names of the model's categories",
        )
    return sorted(photos, key=lambda photo: photo.path)


def _ask(model: Model, root: Path, photos: list[Photo]) -> Iterator[Answer]:
    """Answers in the order of the photos; each core asks with a thread of its own."""

    def ask(photo: Photo) -> Answer:
        try:
            probabilities = model.classify((root / photo.path).read_bytes())
        except (PhotoError, OSError) as error:
            return Answer(photo.path, photo.categories[0], error=str(error))
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        return Answer(photo.path, photo.categories[0], model.classes[best], probabilities[best])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(ask, photos)


def _metrics(answers: list[Answer], model: Model, seconds: float) -> dict[str, Any]:
    read = [answer for answer in answers if not answer.error]
    if not read:
        raise DatasetError(
            "none of the photos could be read", hint=f"the reasons: {PREDICTIONS_FILE} in --out"
        )
    right = [answer for answer in read if answer.prediction == answer.label]
    of_class, right_of_class = (Counter(a.label for a in group) for group in (read, right))
    return {
        "model_version": model.version,
        "accuracy": len(right) / len(read),
        "right": len(right),
        "photos": len(read),
        "unreadable": len(answers) - len(read),
        "recall": {name: right_of_class[name] / of_class[name] for name in sorted(of_class)},
        "photos_per_second": len(read) / seconds,
    }


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{out}: {error.strerror}", hint="give a folder that can be written to"
        ) from error


def _write_predictions(out: Path, answers: list[Answer]) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(Answer.__slots__)
    rows.writerows([a.path, a.label, a.prediction, a.probability, a.error] for a in answers)
    _replace(out / PREDICTIONS_FILE, text.getvalue())


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="")
    partial.replace(path)
