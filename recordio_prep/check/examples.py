"""Photos that show a finding, read from the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordio_prep.catalog import parted
from recordio_prep.check.findings import Example

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordio_prep.catalog import Catalog

EXAMPLES = 12
"""Photos, or families of photos, that a finding is shown by."""


def examples(
    catalog: Catalog, rest: str, parameters: Iterable[Any], *, remark: str = "''"
) -> tuple[Example, ...]:
    """Photos with facts that meet the rest of a query of ours, WHERE and beyond.

    Args:
        catalog: Where they are.
        rest: SQL that may name columns of `photos`, `facts` and `families`.
        parameters: For the question marks in `rest`.
        remark: SQL that makes the remark of each.
    """
    rows = catalog.connection.execute(
        f"SELECT id, part, path, categories, {remark} FROM known"  # noqa: S608 (literals of ours)
        f" LEFT JOIN families USING (id) {rest}",
        tuple(parameters),
    )
    return tuple(
        Example(photo, part, path, parted(categories), text)
        for photo, part, path, categories, text in rows
    )
