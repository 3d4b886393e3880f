"""What dataset.json says of the records that a catalog holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from contracts import SPLITS, DatasetError
from photo import Preparation
from recordio_prep.catalog import parted
from recordio_prep.dataset import Dataset, Split
from recordio_prep.scan import some
from recordio_prep.statistics import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_prep.catalog import Catalog
    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source


def summary(catalog: Catalog, settings: Settings) -> Dataset:
    """The document of the catalog's records."""
    classes = tuple(catalog.meta("classes"))
    counts = counts_by_class(catalog)
    photos = dict(
        catalog.connection.execute("SELECT split, COUNT(*) FROM records GROUP BY split").fetchall()
    )
    splits = {
        split: Split(photos[split], {name: counts[split].get(name, 0) for name in classes})
        for split in SPLITS
        if split in photos
    }
    mean, std = moments(catalog, settings.size).mean_and_std()
    return Dataset(
        classes=classes,
        preparation=Preparation(settings.size, settings.fit, mean, std),
        splits=splits,
        left_out=catalog.count("left_out"),
        seed=settings.seed,
        train_ratio=settings.train_ratio,
        encoding={split: settings.encoding_of(split) for split in splits},
        quality=settings.quality,
        fingerprint=fingerprint(catalog, settings),
        multi_label=catalog.meta("multi_label"),
        tree={name: tuple(levels) for name, levels in catalog.meta("tree").items()},
    )


def check_classes(catalog: Catalog, sources: Mapping[str, Source]) -> None:
    """See to it that every class is trained on, and every given source has a photo left.

    Raises:
        DatasetError: one is not, or has none.
    """
    counts = counts_by_class(catalog)
    classes = catalog.meta("classes")
    bare = [name for name in classes if not counts.get("train", {}).get(name)]
    given = set(sources) - {"photos"}
    bare += [sources[part].name for part in SPLITS if part in given and part not in counts]
    listed = {name for name in bare if _is_listed(catalog, name)}
    unlisted = [name for name in bare if name in classes and name not in listed]
    if unlisted:
        raise DatasetError(
            f"{sources['photos'].name}: no photo of {some(unlisted)}, a class all the same",
            hint="add photos of it, or take it out of the names or folders that are given",
        )
    if bare and catalog.left_out_counts()["dropped"]:
        raise DatasetError(
            f"no photo is left of {some(bare)}",
            hint="leave out the option that dropped them, --drop-empty or --drop-duplicates",
        )
    if bare:
        raise DatasetError(
            f"no photo can be read of {some(bare)}",
            hint="`file PHOTO` tells what they are; save them again as JPEG or PNG",
        )


def _is_listed(catalog: Catalog, category: str) -> bool:
    """Whether some photo of the source claims it, readable or not."""
    if not catalog.meta("multi_label"):
        return catalog.count("photos", "part = 'photos' AND categories = ?", (category,)) > 0
    separated = "instr(char(31) || categories || char(31), char(31) || ? || char(31))"
    return catalog.count("photos", f"part = 'photos' AND {separated}", (category,)) > 0


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
    """SHA-256 over settings, and number, categories, path and content of every record."""
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
