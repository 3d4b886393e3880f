"""A model asked about every product of a BSON file, one row each, in the file's order."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from contracts import DatasetError, PhotoError
from evaluation.products import ProductScore, product_verdict
from recordio_prep.sources.cdiscount import Product, read_products
from scripts.row_progress import Progress, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hosting.model import Model
    from recordio_prep.sources.source import LeftOut

    Probabilities = NDArray[np.float32]

_AT_ONCE = 64  # products whose photos are in memory

Row = tuple[str, str]
Found = tuple[list[Row], list[Row]]
"""Rows of answers, and of problems."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A product, and what the model made of each of its photos.

    Attributes:
        product: as the file has it.
        probabilities: (photos that could be read, K).
        problems: why a photo could not be read.
    """

    product: Product
    probabilities: Probabilities
    problems: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        score: of the products that bear a category, of those that this run asked.
        rows: products in the file of answers.
        resumed: of them, those that a run before had answered.
        photos: that this run asked.
        unanswered: products without a photo that can be read, or a document that is damaged.
        lost: documents so damaged, or cut off, that nobody knows whose they are: they have no row.
    """

    score: ProductScore
    rows: int = 0
    resumed: int = 0
    photos: int = 0
    unanswered: int = 0
    lost: int = 0


def answer_products(model: Model, path: Path, out: Path) -> Outcome:
    """Write `_id,category_id` of every product of a file; a run that was broken off goes on.

    `out` appears once it is whole; until then its rows are in `out`.partial. Beside it
    `<out>.problems.csv` lists photos that could not be read and products without a verdict, whose
    category is empty. Memory does not grow with the number of products.

    Raises:
        DatasetError: the model's categories are no numbers, the file cannot be read or holds no
            product, or `out` not be written.
    """
    if strange := [name for name in model.classes if not name.isdecimal()]:
        raise DatasetError(
            f"categories {', '.join(strange[:3])}: expected numbers, as category_id is",
            hint="train on Cdiscount's own file: `snapshelf prepare train.bson --out records`",
        )
    outcome = Outcome(ProductScore(model.classes, model.card.get("tree") or {}))
    try:
        progress = Progress.resume(out, stamp_of(model, path))
        outcome.rows = outcome.resumed = progress.rows
        products = itertools.islice(read_products(path), progress.documents, None)
        try:
            _answer_rest(model, products, outcome, progress)
        finally:
            if not progress.rows:
                progress.give_up()
        outcome.lost = progress.documents - progress.rows
        if not progress.rows:
            raise DatasetError(
                f"Found 0 products in {path}", hint="give Cdiscount's BSON: train.bson, test.bson"
            )
        progress.finish()
    except OSError as error:
        raise DatasetError(
            f"{error.filename or out}: {error.strerror}",
            hint="give --out a file that can be written",
        ) from error
    return outcome


def _answer_rest(
    model: Model, products: Iterable[Product | LeftOut], outcome: Outcome, progress: Progress
) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for part in tqdm(_parts(products), unit=f"x{_AT_ONCE} products", disable=None):
            found: Found = ([], [])
            for one in pool.map(lambda each: _ask(model, each), part):
                _tell(one, outcome, found, model.classes)
            outcome.rows += len(found[0])
            progress.add(len(part), *found)


def _parts(products: Iterable[Product | LeftOut]) -> Iterator[list[Product | LeftOut]]:
    iterator = iter(products)
    while part := list(itertools.islice(iterator, _AT_ONCE)):
        yield part


def _ask(model: Model, product: Product | LeftOut) -> Asked | LeftOut:
    if not isinstance(product, Product):
        return product
    read = [_array(model, picture) for picture in product.pictures]
    problems = [f"photo {n}: {one}" for n, one in enumerate(read) if isinstance(one, str)]
    arrays = [one for one in read if not isinstance(one, str)]
    nothing = np.empty((0, len(model.classes)), np.float32)
    probabilities = model.predict(np.stack(arrays)) if arrays else nothing
    return Asked(product, probabilities, tuple(problems))


def _array(model: Model, picture: bytes | None) -> Any:
    """The picture as the network takes it, or why it cannot be read."""
    if picture is None:
        return "no picture in it"
    try:
        return model.preparation.array(picture)
    except PhotoError as error:
        return error.message


def _tell(asked: Asked | LeftOut, outcome: Outcome, found: Found, classes: Sequence[str]) -> None:
    """Add a product's row, its problems, and what it does to the score."""
    rows, problems = found
    if not isinstance(asked, Asked):  # nobody knows its _id
        problems.append((asked.path, asked.reason))
        outcome.unanswered += 1
        return
    product, photos = asked.product, asked.probabilities
    best = product_verdict(photos)[0] if len(photos) else None
    problems += [(str(product.id), problem) for problem in asked.problems]
    if best is None:
        problems.append((str(product.id), "no photo that can be read: no verdict"))
        outcome.unanswered += 1
    if product.category is not None:
        outcome.score.add(product.category, best, photos)
    outcome.photos += len(photos)
    rows.append((str(product.id), "" if best is None else classes[best]))
