"""Sizes, aspect ratios and formats of the photos."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from recordio_prep.check.examples import EXAMPLES, examples
from recordio_prep.check.findings import Bar, Shapes

if TYPE_CHECKING:
    from recordio_prep.catalog import Catalog

MAX_ASPECT = 2.5
"""Beyond it, squashing a photo to a square distorts what it shows beyond what training's own
augmentation does (SageMaker's changes the aspect by 0.25 at most), and 16:9 is still within."""

_SIDES = (32, 64, 112, 224, 480, 720, 1080, 2160)
_RATIOS = (0.4, 0.55, 0.7, 0.9, 1.1, 1.4, 1.8, 2.5)
_LONGER_TO_SHORTER = "1.0 * max(width, height) / min(width, height)"


def shapes(catalog: Catalog, size: int) -> Shapes:
    """What sizes and shapes the photos have, against the side of a prepared one."""
    upscaled = "min(width, height) < ?"
    extreme = f"{_LONGER_TO_SHORTER} > ?"
    return Shapes(
        sides=_histogram(catalog, "min(width, height)", _SIDES, " px"),
        ratios=_histogram(catalog, "1.0 * width / height", _RATIOS, ""),
        formats=_formats(catalog),
        upscaled=catalog.count("known", upscaled, (size,)),
        extreme=catalog.count("known", extreme, (MAX_ASPECT,)),
        upscaled_examples=examples(
            catalog,
            f"WHERE {upscaled} ORDER BY min(width, height), part, path LIMIT {EXAMPLES}",
            (size,),
            remark="width || ' x ' || height || ' pixels'",
        ),
        extreme_examples=examples(
            catalog,
            f"WHERE {extreme} ORDER BY {_LONGER_TO_SHORTER} DESC, part, path LIMIT {EXAMPLES}",
            (MAX_ASPECT,),
            remark="width || ' x ' || height || ' pixels'",
        ),
    )


def _histogram(
    catalog: Catalog, value: str, edges: tuple[float, ...], unit: str
) -> tuple[Bar, ...]:
    """Counts between edges; a value on an edge belongs to the bar above it."""
    cases = " ".join(f"WHEN {value} < {edge} THEN {n}" for n, edge in enumerate(edges))
    query = f"SELECT CASE {cases} ELSE {len(edges)} END, COUNT(*) FROM known GROUP BY 1"  # noqa: S608 (figures and literals of ours)
    counts = dict(catalog.connection.execute(query).fetchall())
    names = [
        f"below {edges[0]}{unit}",
        *(f"{low} to {high}{unit}" for low, high in itertools.pairwise(edges)),
        f"{edges[-1]}{unit} and more",
    ]
    return tuple(Bar(name, counts.get(n, 0)) for n, name in enumerate(names))


def _formats(catalog: Catalog) -> tuple[Bar, ...]:
    rows = catalog.connection.execute(
        "SELECT format, COUNT(*) AS many FROM known GROUP BY format ORDER BY many DESC, format"
    )
    return tuple(Bar(name, count) for name, count in rows)
