"""Two models asked about the same photos."""

from __future__ import annotations

import csv
import io
import itertools
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from contracts import DatasetError, table_cell
from evaluation.comparison import Comparison, compare
from scripts.asking import ask, find_photos, load_model

if TYPE_CHECKING:
    from pathlib import Path

    from hosting.model import Model
    from recordio_prep.sources.source import Photo

_SHOWN = 5  # categories in a message
DIFFERENCES_FILE = "differences.csv"
COLUMNS = ("photo", "category", "first", "first_probability", "second", "second_probability")


@dataclass(frozen=True, slots=True)
class Named:
    """What a model made of a photo: its best category, and how probable it says that is."""

    category: str
    probability: float


@dataclass(frozen=True, slots=True)
class Result:
    """What comparing came to.

    Attributes:
        comparison: the figures.
        unreadable: photos that one or both could not read; they count for neither.
        differing: photos that the two name otherwise.
        milliseconds: a photo, of each model, decoding included, on all cores.
    """

    comparison: Comparison
    unreadable: int
    differing: int
    milliseconds: tuple[float, float]

    def document(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return {
            **asdict(self.comparison),
            "is_shown": self.comparison.is_shown,
            "unreadable": self.unreadable,
            "differing": self.differing,
            "milliseconds": list(self.milliseconds),
        }


def compare_models(first: Path, second: Path, root: Path, out: Path | None) -> Result:
    """Ask both about every photo of category folders.

    Args:
        first: an artifact; it must know all categories of the folders.
        second: another.
        root: the category folders.
        out: where differences.csv goes, made if absent; None for nowhere.

    Raises:
        DatasetError: there is no photo that can be read, or a category that a model does not know.
    """
    models = [load_model(path) for path in (first, second)]
    known = set(models[0].classes) & set(models[1].classes)
    if not known:
        raise DatasetError(
            f"the models share no category: {_listed(models[0])}, and {_listed(models[1])}",
            hint="compare models of the same categories",
        )
    photos = find_photos(root, known)
    answers, seconds = zip(*(_answers(model, root, photos) for model in models), strict=True)
    read = [(photo, *pair) for photo, *pair in zip(photos, *answers, strict=True) if all(pair)]
    if not read:
        raise DatasetError(f"none of the {len(photos)} photos in {root} could be read")
    right = [
        np.array([row[side].category == row[0].categories[0] for row in read]) for side in (1, 2)
    ]
    differing = [row for row in read if row[1].category != row[2].category]
    if out is not None:
        _write(out, differing)
    return Result(
        compare(*right),
        unreadable=len(photos) - len(read),
        differing=len(differing),
        milliseconds=(1000 * seconds[0] / len(photos), 1000 * seconds[1] / len(photos)),
    )


def summary(result: Result, first: str, second: str, out: Path | None) -> str:
    """The result in a few lines."""
    found = result.comparison
    low, high = (100 * bound for bound in found.interval)
    better = second if found.difference > 0 else first
    verdict = (
        f"{better} is better"
        if found.is_shown
        else f"{found.photos} photos show no difference: it may be luck"
    )
    listed = f", listed in {out / DIFFERENCES_FILE}" if out else ""
    return f"""\
{first}: {found.first:.2%} of {found.photos} photos right, {result.milliseconds[0]:.1f} ms a photo
{second}: {found.second:.2%}, {result.milliseconds[1]:.1f} ms a photo
difference: {100 * found.difference:+.2f} points (95 %: {low:+.2f} to {high:+.2f}), \
p = {found.p_value:.3g}: {verdict}
named otherwise: {result.differing} photos{listed}
right by one alone: {found.only_first} by {first}, {found.only_second} by {second}
unreadable: {result.unreadable} photos"""


def _answers(model: Model, root: Path, photos: list[Photo]) -> tuple[list[Named | None], float]:
    """What the model makes of each photo, None of one that it cannot read; seconds for all."""
    began = time.perf_counter()
    found: list[Named | None] = []
    for reply in tqdm(ask(model, root, photos), total=len(photos), unit="photo", disable=None):
        if reply.probabilities is None:
            found.append(None)
        else:
            best = int(np.argmax(reply.probabilities))
            found.append(Named(model.classes[best], float(reply.probabilities[best])))
    return found, time.perf_counter() - began


def _listed(model: Model) -> str:
    return ", ".join(model.classes[:_SHOWN]) + ", ..." * (len(model.classes) > _SHOWN)


def _write(out: Path, differing: list[Any]) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for photo, one, other in differing:
        answers = ((named.category, f"{named.probability:.4f}") for named in (one, other))
        cells = (photo.path, photo.categories[0], *itertools.chain(*answers))
        rows.writerow(map(table_cell, cells))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / DIFFERENCES_FILE).write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise DatasetError(
            f"{out}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
