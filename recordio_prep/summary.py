"""What the records of a catalog come to: counts, statistics, fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from contracts import SPLITS
from recordio_prep.catalog import parted
from recordio_prep.statistics import Moments

if TYPE_CHECKING:
    from recordio_prep.catalog import Catalog
    from recordio_prep.settings import Settings


def counts_by_class(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Records by split and class."""
    counts: dict[str, dict[str, int]] = {}
    rows = catalog.connection.execute(
        "SELECT records.split, categories, COUNT(*) FROM records JOIN photos USING (id)"
        " GROUP BY records.split, categories"
    )
    for split, categories, records in rows:
        by_class = counts.setdefault(split, {})
        for name in parted(categories):
            by_class[name] = by_class.get(name, 0) + records
    return counts


def moments(catalog: Catalog, size: int) -> Moments:
    """Of all training records, those that are repeated as often as they are."""
    records, *sums = catalog.connection.execute(
        "SELECT COUNT(*), SUM(red), SUM(green), SUM(blue), SUM(red2), SUM(green2), SUM(blue2)"
        " FROM records JOIN facts USING (id) WHERE split = 'train'"
    ).fetchone()
    red, green, blue, red2, green2, blue2 = sums
    return Moments(records * size * size, (red, green, blue), (red2, green2, blue2))


def fingerprint(catalog: Catalog, settings: Settings) -> str:
    digest = hashlib.sha256(json.dumps(settings.to_dict()).encode())
    for split in SPLITS:
        rows = catalog.connection.execute(
            "SELECT number, categories, path, digest FROM records JOIN photos USING (id)"
            " JOIN facts USING (id) WHERE records.split = ? ORDER BY place",
            (split,),
        )
        for number, categories, path, content in rows:
            digest.update(f"\n{split}\t{number}\t{categories}\t{path}\t{content.hex()}".encode())
    return f"sha256:{digest.hexdigest()}"
