"""Photos that stand out: of one colour, or unlike the others of their category."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from recordio_prep.check.examples import EXAMPLES, examples
from recordio_prep.check.findings import Found
from recordio_prep.duplicates import SINGLE_COLOUR_DETAIL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_prep.catalog import Catalog

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LEAST_PHOTOS = 20
"""A category of fewer photos says too little of what is usual in it."""

ODD_SCORE = 5.0
"""Robust standard deviations from the category's median at which a photo is odd: of normally
distributed values one in two million is. Of the marketplace's 2,500 photos 29 are, of 3,781 phone
photos of clothes 21: nearly all are right, and of another colour than their category's others."""

_MEASURES = ("brightness", "contrast", "colourfulness", "red against blue")
_WORDS = (
    ("much darker", "much brighter"),
    ("much flatter", "of much more contrast"),
    ("much greyer", "much more colourful"),
    ("much bluer", "much redder"),
)
_LEAST_SPREAD = 4.0  # grey levels: what JPEG and light change from one shot to the next
_TO_SIGMA = 1.4826  # a normal distribution's standard deviation by its median absolute deviation
_BLOCK = 100_000
_LUMA = np.array([0.299, 0.587, 0.114])
_QUERY = """
    SELECT categories, id, red, green, blue, red2, green2, blue2
    FROM known WHERE part = 'photos' AND detail >= ?
    ORDER BY categories, path
"""


def single_colour(catalog: Catalog) -> Found:
    """Photos of hardly any detail: empty, covered, or failed."""
    where = "detail < ?"
    return Found(
        catalog.count("known", where, (SINGLE_COLOUR_DETAIL,)),
        examples(
            catalog,
            f"WHERE {where} ORDER BY detail, part, path LIMIT {EXAMPLES}",
            (SINGLE_COLOUR_DETAIL,),
        ),
    )


def odd_ones(catalog: Catalog, pixels: int) -> Found:
    """Photos unlike the others of their category in brightness, contrast or colour.

    Each is measured from the facts, and compared with the category's median by its median absolute
    deviation, which a few odd ones do not move. It finds screenshots, drawings, night shots and
    other lights; it knows nothing of what a photo shows, so a neat photo of the wrong thing passes,
    and an odd photo may well be right.

    Args:
        catalog: Where they are.
        pixels: Of a prepared photo.
    """
    best: list[tuple[float, int, str]] = []
    count = 0
    rows = catalog.connection.execute(_QUERY, (SINGLE_COLOUR_DETAIL,))
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        for block in _blocks(group):
            odd = list(_odd(block, pixels)) if len(block) >= LEAST_PHOTOS else []
            count += len(odd)
            best = sorted(best + odd, key=lambda item: (-item[0], item[1]))[:EXAMPLES]
    return Found(
        count,
        tuple(
            replace(example, remark=remark)
            for _, photo, remark in best
            for example in examples(catalog, "WHERE id = ?", (photo,))
        ),
    )


def _blocks(rows: Iterator[tuple[Any, ...]]) -> Iterator[Array]:
    """A category's rows, at most so many at once that memory stays flat."""
    while block := list(itertools.islice(rows, _BLOCK)):
        yield np.array([row[1:] for row in block], dtype=np.float64)


def _odd(rows: Array, pixels: int) -> Iterator[tuple[float, int, str]]:
    """Score, photos.id and reason of a category's odd ones."""
    values = _measures(rows[:, 1:], pixels)
    middle = np.median(values, axis=0)
    spread = np.median(np.abs(values - middle), axis=0) * _TO_SIGMA
    scores = (values - middle) / np.maximum(spread, _LEAST_SPREAD)
    worst = np.abs(scores).argmax(axis=1)
    for place in np.flatnonzero(np.abs(scores).max(axis=1) > ODD_SCORE).tolist():
        measure = int(worst[place])
        score = float(scores[place, measure])
        words = _WORDS[measure][int(score > 0)]
        yield abs(score), int(rows[place, 0]), f"{words} than usual in its category"


def _measures(facts: Array, pixels: int) -> Array:
    """The measures of each photo, shape (N, len(_MEASURES)), from the sums of pixels."""
    means = facts[:, :3] / pixels
    deviations = np.sqrt(np.maximum(0, facts[:, 3:] / pixels - means**2))
    brightness = means @ _LUMA
    return np.stack(
        [
            brightness,
            deviations @ _LUMA,
            means.max(axis=1) - means.min(axis=1),
            means[:, 0] - means[:, 2],
        ],
        axis=1,
    )
