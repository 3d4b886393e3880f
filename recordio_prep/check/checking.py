"""Puts a check together from the catalog, with the pictures that its page shows."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from recordio_prep.catalog import PARTS
from recordio_prep.check import copies, counting
from recordio_prep.check.findings import Check
from recordio_prep.check.oddities import odd_ones, single_colour
from recordio_prep.check.problems import problems_of
from recordio_prep.check.shapes import shapes
from recordio_prep.duplicates import UNCOMPARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordio_prep.catalog import Catalog
    from recordio_prep.check.findings import Example

_PICTURE_SIZE = 112
_PICTURE_QUALITY = 80
_NAMES_SHOWN = 100


def check(catalog: Catalog, payload: Callable[[int], bytes], *, size: int) -> Check:
    """All findings about the photos of a catalog whose `facts` and `families` are filled.

    Args:
        catalog: `records` may be empty.
        payload: Gives the prepared photo, JPEG or PNG, of a photos.id.
        size: Side of a prepared photo, pixels.
    """
    found = _findings(catalog, size)
    found = replace(found, problems=problems_of(found))
    photos = sorted({example.id for example in _shown(found)})
    return replace(found, pictures={photo: _picture(payload(photo)) for photo in photos})


def _findings(catalog: Catalog, size: int) -> Check:
    counts = counting.photos_by_category(catalog, PARTS[0])
    others: Counter[str] = Counter()
    for part in PARTS[1:]:
        others += counting.photos_by_category(catalog, part)
    return Check(
        size=size,
        listed=counting.photos_by_part(catalog),
        records=counting.records_by_split(catalog),
        left_out=catalog.left_out_counts(),
        multi_label=counting.is_multi_label(catalog),
        balance=counting.balance_of(counts),
        levels=counting.balances_of_levels(catalog, counts),
        splits=counting.split_rows(catalog),
        shapes=shapes(catalog, size),
        reasons=counting.reasons_left_out(catalog),
        within=copies.copies(catalog, copies.WITHIN),
        conflicts=copies.copies(catalog, copies.CONFLICTS),
        leaks=copies.copies(catalog, copies.LEAKS),
        single_colour=single_colour(catalog),
        odd=odd_ones(catalog, size * size),
        similar_names=counting.similar_names(sorted(counts))[:_NAMES_SHOWN],
        unknown=tuple(sorted(set(others) - set(counts))) if counts else (),
        uncompared=catalog.meta(UNCOMPARED) or 0,
    )


def _shown(found: Check) -> Iterator[Example]:
    """Every example that the page shows."""
    for families in (found.leaks, found.conflicts, found.within):
        for family in families.examples:
            yield from family.members
    yield from found.single_colour.examples
    yield from found.odd.examples
    yield from found.shapes.upscaled_examples
    yield from found.shapes.extreme_examples


def _picture(payload: bytes) -> bytes:
    """A prepared photo as a JPEG of some 4 kB, so that 200 of them fit on a page."""
    with Image.open(io.BytesIO(payload)) as image:
        picture = image.convert("RGB")
        picture.thumbnail((_PICTURE_SIZE, _PICTURE_SIZE))
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=_PICTURE_QUALITY)
        return stream.getvalue()
