"""Photos put to the model together; what is wrong with one of them stays its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from contracts import HEATMAP_ATTRIBUTE, SnapshelfError
from hosting.heatmap import explain
from hosting.options import NOTHING_MORE, AttributesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hosting.model import Answer, Model
    from hosting.options import Options

MAX_BATCH = 32
"""Pictures that one run of the network takes at most; beyond, throughput hardly grows."""

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Photo: TypeAlias = "bytes | SnapshelfError"
Outcome: TypeAlias = "Answer | Exception"
"""What becomes of a photo. An exception that is no SnapshelfError is a bug, to be raised."""


def answer_all(
    model: Model, photos: Sequence[Photo], options: Options = NOTHING_MORE
) -> list[Outcome]:
    """What the model says of each photo, in order; one after the other, without threads.

    Args:
        model: loaded.
        photos: bytes, or what is wrong already, which stands in its place.
        options: what else is to be told of them.

    Raises:
        NoEmbeddingError: one is asked for, and the network tells none.
        AttributesError: heat maps of several photos are asked for, each of which may take as long
            as fifty answers.
    """
    if options.embedding:
        model.check_embedding()
    if options.heatmap and len(photos) > 1:
        raise AttributesError(
            f"CustomAttributes: {HEATMAP_ATTRIBUTE}=true with {len(photos)} photos: expected one",
            hint="send each photo by itself",
        )
    if options.heatmap:
        return [_explain(model, photo, embedding=options.embedding) for photo in photos]
    outcomes: list[Outcome] = []
    for start in range(0, len(photos), MAX_BATCH):
        some = photos[start : start + MAX_BATCH]
        outcomes += _answer_some(model, some, embedding=options.embedding)
    return outcomes


def decode(model: Model, photo: Photo) -> Array | SnapshelfError:
    """The network's input, (1, 3, size, size), or what is wrong with the photo."""
    if isinstance(photo, SnapshelfError):
        return photo
    try:
        return model.preparation.array(photo)[np.newaxis]
    except SnapshelfError as error:
        return error


def predict(model: Model, arrays: Array, *, embedding: bool = False) -> list[Outcome]:
    """An answer for each of the pictures (N, 3, size, size), with the last features if asked for.

    Where the network fails over some together each is asked alone, so that only those fail whose
    fault it is: of photos that are run together most are of other clients.
    """
    try:
        return list(model.answers(arrays, embedding=embedding))
    except Exception as error:  # noqa: BLE001 (of whatever kind, it is the answer of these photos)
        if len(arrays) == 1:
            return [error]
    return [
        outcome
        for array in arrays
        for outcome in predict(model, array[np.newaxis], embedding=embedding)
    ]


def _answer_some(model: Model, photos: Sequence[Photo], *, embedding: bool) -> Iterator[Outcome]:
    decoded = [decode(model, photo) for photo in photos]
    arrays = [each for each in decoded if not isinstance(each, SnapshelfError)]
    found = predict(model, np.concatenate(arrays), embedding=embedding) if arrays else ()
    answers = iter(found)
    return (each if isinstance(each, SnapshelfError) else next(answers) for each in decoded)


def _explain(model: Model, photo: Photo, *, embedding: bool) -> Outcome:
    if isinstance(photo, SnapshelfError):
        return photo
    try:
        return explain(model, photo, embedding=embedding)
    except SnapshelfError as error:
        return error
