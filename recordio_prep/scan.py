"""Lists what the sources hold into a new catalog, each photo with its place in the shuffles."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import PIL
from tqdm import tqdm

from contracts import DatasetError
from photo import STORED_FORMATS
from recordio_prep.catalog import SCHEMA_VERSION, joined, parted
from recordio_prep.one_against_rest import OneAgainstRest, two_classes
from recordio_prep.sources.source import LeftOut, Photo
from recordio_prep.split import rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from recordio_prep.catalog import Catalog
    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source

_MIN_CATEGORIES = 2
_SHOWN = 5

_INSERT = """
INSERT OR IGNORE INTO photos
    (id, part, path, categories, product, size, version, locator, side, turn)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def scan(sources: Mapping[str, Source], catalog: Catalog, settings: Settings) -> None:
    """List every source into the empty catalog, and note classes, tree and what it all depends on.

    Args:
        sources: By part; `photos` is always there.
        catalog: What `Catalog.create` made.
        settings: Of the records.

    Raises:
        DatasetError: a source cannot be read, holds no photo, or categories that cannot be used.
    """
    main, positive = sources["photos"], settings.positive
    for part, source in sources.items():
        rest = OneAgainstRest(positive) if positive else None
        _list(part, source, catalog, settings.seed, rest)
    occurring = main.classes or _categories(catalog, "photos")
    classes = two_classes(positive) if positive else occurring
    multi_label = not positive and any(source.multi_label for source in sources.values())
    if multi_label and (settings.balance or settings.cap_per_class is not None):
        raise DatasetError(
            f"{main.name}: photos with several labels, which cap and balance cannot tell apart",
            hint="leave out --cap-per-class and --balance",
        )
    catalog.set_meta("multi_label", multi_label)
    catalog.set_meta("classes", classes)
    catalog.set_meta(
        "tree", {name: levels for name, levels in main.tree.items() if name in classes}
    )
    for part, source in sources.items():
        _check(part, source, catalog, classes)
    catalog.set_meta("inputs", _inputs_digest(catalog, settings))
    catalog.connection.commit()


def _list(
    part: str, source: Source, catalog: Catalog, seed: int, rest: OneAgainstRest | None
) -> None:
    number = catalog.count("photos")
    cursor = catalog.connection.cursor()
    for entry in tqdm(source.entries(), desc=f"Listing {part}", unit="", disable=None, leave=False):
        if isinstance(entry, LeftOut):
            catalog.leave_out(part, entry)
            continue
        photo = rest.told(entry) if rest else entry
        if cursor.execute(_INSERT, _row(number, part, photo, seed)).rowcount:
            number += 1
        else:
            twice = LeftOut(entry.path, "another photo of this name was listed before", photo=True)
            catalog.leave_out(part, twice)
    if rest and part == "photos":
        rest.check(source.name)


def _row(number: int, part: str, photo: Photo, seed: int) -> tuple[int | str, ...]:
    return (
        number,
        part,
        photo.path,
        joined(photo.categories),
        photo.product,
        photo.size,
        photo.version,
        photo.locator,
        rank(photo.product or photo.path, seed=seed, purpose="side"),
        rank(photo.path, seed=seed, purpose="order"),
    )


def _categories(catalog: Catalog, part: str) -> tuple[str, ...]:
    rows = catalog.connection.execute(
        "SELECT DISTINCT categories FROM photos WHERE part = ?", (part,)
    )
    return tuple(sorted({name for (categories,) in rows for name in parted(categories)}))


def _check(part: str, source: Source, catalog: Catalog, classes: Sequence[str]) -> None:
    used = _categories(catalog, part)
    if not catalog.count("photos", "part = ?", (part,)):
        raise _found_nothing(part, source, catalog)
    if part == "photos" and len(classes) < _MIN_CATEGORIES:
        raise DatasetError(
            f"{source.name}: one category ({', '.join(used)}), expected at least {_MIN_CATEGORIES}",
            hint="give the folder above the category folders, and a folder to each category",
        )
    unknown = sorted(set(used) - set(classes))
    if unknown:
        raise DatasetError(
            f"{source.name}: unknown category {some(unknown)}, expected some of {some(classes)}",
            hint="categories must bear the same names as those that are trained on",
        )


def _found_nothing(part: str, source: Source, catalog: Catalog) -> DatasetError:
    """With the first thing that was left out instead, which tells more than any guess."""
    message = f"Found 0 photos in {source.name}"
    entry = catalog.connection.execute(
        "SELECT path, reason FROM left_out WHERE part = ? ORDER BY kind != 'unreadable', path",
        (part,),
    ).fetchone()
    if entry is None:
        layout = f"photos lie in {source.name}/<category>/; formats: {', '.join(STORED_FORMATS)}"
        return DatasetError(message, hint=layout)
    left_out = catalog.count("left_out", "part = ?", (part,))
    return DatasetError(
        f"{message}, and {left_out:,} other things, the first: {entry[0]}: {entry[1]}",
        hint="mend what it says; `snapshelf prepare --help` tells how photos may be given",
    )


def some(names: Iterable[str]) -> str:
    """The first names for a message, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + more


def _inputs_digest(catalog: Catalog, settings: Settings) -> str:
    """SHA-256 over all that the records depend on, the photos by path, size and version."""
    # Another Pillow may encode otherwise, and another set of readers read more.
    versions = [SCHEMA_VERSION, PIL.__version__, STORED_FORMATS]
    classes = [catalog.meta(key) for key in ("classes", "multi_label", "tree")]
    digest = hashlib.sha256(json.dumps([settings.to_dict(), versions, classes]).encode())
    for query in (
        "SELECT part, path, categories, product, size, version FROM photos ORDER BY part, path",
        "SELECT part, path, reason FROM left_out ORDER BY part, path, reason",
    ):
        digest.update(b"\n\n")
        for row in catalog.connection.execute(query):
            digest.update("\t".join(map(str, row)).encode() + b"\n")
    return digest.hexdigest()
