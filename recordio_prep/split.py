"""Which photo is trained on and which is held back: stratified, seeded, stable, without leaks."""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordio_prep.catalog import Catalog

_RANK_BYTES = 8

_SHARED = """
INSERT INTO shared SELECT side FROM (
    SELECT DISTINCT side, categories FROM photos WHERE part = 'photos' AND usable
) GROUP BY side HAVING COUNT(*) > 1
"""

_UNITS = """
SELECT categories, side, COUNT(*), EXISTS (SELECT 1 FROM shared WHERE shared.side = photos.side)
FROM photos WHERE part = 'photos' AND usable
GROUP BY categories, side ORDER BY categories, side
"""

_HOLD_BACK = """
UPDATE photos SET split = 'validation'
WHERE part = 'photos' AND usable AND categories = ? AND side > ?
    AND NOT EXISTS (SELECT 1 FROM shared WHERE shared.side = photos.side)
"""

# Few photos share a combination of labels: all of them are one stratum.
_UNITS_OF_ALL = """
SELECT '', side, COUNT(*), 0 FROM photos WHERE part = 'photos' AND usable
GROUP BY side ORDER BY side
"""
_HOLD_BACK_OF_ALL = """
UPDATE photos SET split = 'validation' WHERE part = 'photos' AND usable AND ? = '' AND side > ?
"""

_MERGES = """
CREATE TEMP TABLE merges AS
    SELECT side AS old, MIN(lowest) AS new FROM (
        SELECT side, MIN(side) OVER (PARTITION BY family) AS lowest
        FROM photos JOIN families USING (id) WHERE part = 'photos' AND usable
    ) GROUP BY side HAVING MIN(lowest) < side
"""

_MERGE = """
UPDATE photos SET side = (SELECT new FROM merges WHERE old = side)
WHERE part = 'photos' AND side IN (SELECT old FROM merges)
"""


def rank(name: str, *, seed: int, purpose: str) -> int:
    """A place in a shuffle, the same on every machine and Python version; signed, 64 bits."""
    digest = hashlib.sha256(f"{purpose}\0{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:_RANK_BYTES], "big") - (1 << (8 * _RANK_BYTES - 1))


def divide(catalog: Catalog, train_ratio: float) -> None:
    """Set the split of every usable photo; the others have none.

    Photos with the same `side` are a unit that is never torn. Within a category the units stand in
    the order of their sides, which only the seed and the names decide, and the first of them, by
    `train_ratio` of its photos, are trained on. So a photo added or removed moves at most one
    other across. The ratio holds within one unit in every category; one of two units or more has
    at least one on each side, a single one is trained on, and so is everything at a ratio of 1, or
    where validation photos came apart. A unit that several categories share is trained on.
    Multi-label photos are divided as if they were of one category.
    """
    connection = catalog.connection
    connection.execute(
        "UPDATE photos SET split ="
        " CASE WHEN usable THEN CASE part WHEN 'photos' THEN 'train' ELSE part END END"
    )
    if train_ratio == 1:
        return
    of_all = bool(catalog.meta("multi_label"))
    connection.execute("DROP TABLE IF EXISTS temp.shared")
    connection.execute("CREATE TEMP TABLE shared (side INTEGER PRIMARY KEY)")
    connection.execute(_SHARED)
    units = connection.execute(_UNITS_OF_ALL if of_all else _UNITS)
    last_trained = [
        (category, last)
        for category, group in groupby(units, key=lambda unit: unit[0])
        if (last := _last_trained([unit[1:] for unit in group], train_ratio)) is not None
    ]
    connection.executemany(_HOLD_BACK_OF_ALL if of_all else _HOLD_BACK, last_trained)


def _last_trained(units: Sequence[tuple[int, int, int]], train_ratio: float) -> int | None:
    """The side of the last unit of a category that is trained on; None if all are.

    Args:
        units: Side, photos, and whether other categories share it, in the order of the sides.
        train_ratio: Below 1.
    """
    wanted = int(sum(photos for _, photos, _ in units) * train_ratio + 0.5)
    shared = sum(photos for _, photos, is_shared in units if is_shared)
    own = [(side, photos) for side, photos, is_shared in units if not is_shared]
    if not own or (len(own) == 1 and not shared):
        return None
    last, trained = None, shared
    for side, photos in own[:-1]:
        if (last is not None or shared) and trained + photos / 2 > wanted:
            break
        last, trained = side, trained + photos
    return own[0][0] - 1 if last is None else last


def keep_families_together(catalog: Catalog) -> None:
    """Give photos that show the same, and the products that they belong to, the same side."""
    connection = catalog.connection
    while True:
        connection.execute("DROP TABLE IF EXISTS temp.merges")
        connection.execute(_MERGES)
        if not connection.execute(_MERGE).rowcount:
            return
