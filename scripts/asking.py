"""Photos in category folders, put to a model one by one, as the endpoint would be asked."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import ArtifactError, DatasetError, PhotoError
from evaluation.answers import Answers
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import unpack
from recordio_prep.one_against_rest import REST
from recordio_prep.sources.folders import Folders
from recordio_prep.sources.source import Photo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from hosting.model import Model

    Row = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What a model made of one photo; `error` says why it made nothing.

    Attributes:
        path: below the folder.
        label: the photo's category.
        probabilities: (K,), or None.
        logits: (K,), before any temperature; None also if the model tells none.
        error: empty if the photo could be read.
    """

    path: str
    label: str
    probabilities: Row | None = None
    logits: Row | None = None
    error: str = ""


def load_model(artifact: Path) -> Model:
    """The model of a model.tar.gz, or of the folder that holds one, for one photo a thread.

    Raises:
        DeployError: there is no artifact.
        ArtifactError: it is damaged, or an unsafe archive.
    """
    from hosting.model import Model

    with tempfile.TemporaryDirectory() as folder:
        unpack(find_artifact(artifact), Path(folder))
        return Model.load(Path(folder), threads=1)


def find_photos(root: Path, classes: Collection[str]) -> list[Photo]:
    """The photos of category folders, by path.

    To a model that tells one category from all others (`snapshelf prepare --positive`), photos of
    any other category are `other`.

    Raises:
        DatasetError: there is none, or one of a category that the model does not know.
    """
    entries = Folders(root, may_lack=True).entries()
    photos = [entry for entry in entries if isinstance(entry, Photo)]
    if REST in classes and len(classes) == 2:  # noqa: PLR2004 - one and the rest
        photos = [_one_or_other(photo, classes) for photo in photos]
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


def _one_or_other(photo: Photo, classes: Collection[str]) -> Photo:
    return photo if photo.categories[0] in classes else replace(photo, categories=(REST,))


def ask(model: Model, root: Path, photos: Sequence[Photo]) -> Iterator[Reply]:
    """Replies in the order of the photos; each core asks with a thread of its own.

    Raises:
        ArtifactError: the model answers with numbers that are none.
    """

    def ask_one(photo: Photo) -> Reply:
        label = photo.categories[0]
        try:
            array = model.preparation.array((root / photo.path).read_bytes())
        except (PhotoError, OSError) as error:
            return Reply(photo.path, label, error=str(error))
        try:
            probabilities, logits = model.predict_both(array[np.newaxis])
        except ArtifactError as error:
            raise ArtifactError(f"{photo.path}: {error.message}", hint=error.hint) from error
        return Reply(photo.path, label, probabilities[0], None if logits is None else logits[0])

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(ask_one, photos)


def as_answers(
    replies: Sequence[Reply], classes: Sequence[str], temperature: float = 1.0
) -> Answers:
    """The replies to photos that could be read, for the metrics.

    Args:
        replies: at least one without an error.
        classes: the model's, in class order.
        temperature: that the model calibrates with; undone where it tells probabilities only.
    """
    read = [reply for reply in replies if reply.probabilities is not None]
    index = {name: k for k, name in enumerate(classes)}
    labels = np.array([index[reply.label] for reply in read])
    names = tuple(reply.path for reply in read)
    logits: list[Any] = [reply.logits for reply in read]
    if all(row is not None for row in logits):
        return Answers(tuple(classes), labels, np.stack(logits), names)
    # float32 rounds a certain answer to a hair above 1
    given = np.minimum(np.stack([np.asarray(reply.probabilities) for reply in read]), 1.0)
    return Answers.from_probabilities(classes, labels, given, names=names, temperature=temperature)
