"""Families of photos that show the same, by what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_prep.check.examples import EXAMPLES, examples
from recordio_prep.check.findings import Copies, Family

if TYPE_CHECKING:
    from recordio_prep.catalog import Catalog

WITHIN = "labels = 1 AND parts = 1"
CONFLICTS = "labels > 1"
LEAKS = "parts > 1"

_MEMBERS = 4
_FAMILIES = """
    SELECT family, COUNT(*) AS many, COUNT(DISTINCT categories) AS labels,
        COUNT(DISTINCT part) AS parts, COUNT(DISTINCT digest) = 1 AS same,
        MIN(path) AS first
    FROM families JOIN known USING (id) GROUP BY family HAVING COUNT(*) > 1
"""
# One photo of every category and part before a second of any, so that what is wrong can be seen.
_FIRST_MEMBERS = """
    WHERE family = ? ORDER BY
        ROW_NUMBER() OVER (PARTITION BY part, categories ORDER BY path), part, categories LIMIT ?
"""


def copies(catalog: Catalog, kind: str) -> Copies:
    """The families of a kind: WITHIN, CONFLICTS or LEAKS (which may be of both)."""
    select = catalog.connection.execute
    exact, families, photos = select(
        f"SELECT TOTAL(same), COUNT(*), TOTAL(many) FROM ({_FAMILIES}) WHERE {kind}"  # noqa: S608 (literals of ours)
    ).fetchone()
    largest = select(
        f"SELECT family, many, same FROM ({_FAMILIES}) WHERE {kind}"  # noqa: S608 (literals of ours)
        " ORDER BY many DESC, first LIMIT ?",
        (EXAMPLES,),
    ).fetchall()
    shown = tuple(
        Family(bool(same), many, examples(catalog, _FIRST_MEMBERS, (family, _MEMBERS)))
        for family, many, same in largest
    )
    return Copies(int(exact), int(families - exact), int(photos), shown)
