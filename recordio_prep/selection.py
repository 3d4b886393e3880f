"""Which of the encoded photos become records, how often, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordio_prep.duplicates import SINGLE_COLOUR_DETAIL
from recordio_prep.split import divide, keep_families_together, rank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_prep.catalog import Catalog
    from recordio_prep.settings import Settings

_EMPTY = (
    "SELECT id, 'a single colour' FROM photos JOIN facts USING (id) WHERE usable AND detail < ?"
)

# What a person held out keeps its place: its double among the photos to train on is what goes.
_HELD_OUT_TOO = """
SELECT id, 'shows the same as ' || held.part || ' photo ' || MIN(held.path)
FROM photos JOIN families USING (id) JOIN (
    SELECT family, part, MIN(path) AS path FROM photos JOIN families USING (id)
    WHERE usable AND part != 'photos' GROUP BY family, part
) AS held USING (family)
WHERE usable AND (photos.part, held.part) IN (
    VALUES ('photos', 'validation'), ('photos', 'test'), ('validation', 'test')
) GROUP BY id
"""

_CONFLICTING = """
SELECT id, 'the same photo stands in ' || names || ': which is right is not known'
FROM photos JOIN families USING (id) JOIN (
    SELECT part, family, GROUP_CONCAT(REPLACE(categories, char(31), ' + '), ', ') AS names FROM (
        SELECT DISTINCT part, family, categories FROM photos JOIN families USING (id)
        WHERE usable ORDER BY part, family, categories
    ) GROUP BY part, family HAVING COUNT(*) > 1
) USING (part, family) WHERE usable
"""

_REPEATED = """
SELECT id, 'shows the same as ' || first FROM (
    SELECT id, path, FIRST_VALUE(path) OVER (PARTITION BY part, family ORDER BY path) AS first
    FROM photos JOIN families USING (id) WHERE usable
) WHERE path != first
"""

_OVER_THE_CAP = """
SELECT id, 'over the cap of ' || ?1 || ' photos a category' FROM (
    SELECT id, ROW_NUMBER() OVER (PARTITION BY categories ORDER BY turn, path) AS place
    FROM photos WHERE part = 'photos' AND usable
) WHERE place > ?1
"""

# A repeated photo stands behind all others by number, and anywhere among them by place.
_DRAWN = """
CREATE TEMP TABLE drawn AS
    SELECT split, id, path, CASE split WHEN 'train' THEN turn ELSE 0 END AS turn, 0 AS copy
    FROM photos WHERE split IS NOT NULL
"""

_RECORDS = """
INSERT INTO records
    SELECT split, ROW_NUMBER() OVER (PARTITION BY split ORDER BY turn, path, copy) - 1, id,
        ROW_NUMBER() OVER (PARTITION BY split ORDER BY copy, path) - 1
    FROM drawn
"""


def select_records(catalog: Catalog, settings: Settings) -> None:
    """Leave out what the options say, divide the rest, and put the records in their order.

    Train stands shuffled, the other splits by path; all in one transaction, so that a run that is
    killed meanwhile begins this step anew.
    """
    connection = catalog.connection
    if settings.drop_empty:
        _drop(catalog, _EMPTY, SINGLE_COLOUR_DETAIL)
    if settings.drop_duplicates:
        for query in (_HELD_OUT_TOO, _CONFLICTING, _REPEATED):
            _drop(catalog, query)
    if settings.cap_per_class is not None:
        _drop(catalog, _OVER_THE_CAP, settings.cap_per_class)
    keep_families_together(catalog)
    divided = not catalog.count("photos", "part = 'validation'")
    divide(catalog, settings.train_ratio if divided else 1.0)
    put_in_order(catalog, settings)
    connection.commit()


def put_in_order(catalog: Catalog, settings: Settings) -> None:
    """Make every photo that has a split a record, in its order and with its number."""
    connection = catalog.connection
    connection.execute("DELETE FROM records")
    connection.execute("DROP TABLE IF EXISTS temp.drawn")
    connection.execute(_DRAWN)
    if settings.balance:
        connection.executemany(
            "INSERT INTO drawn VALUES ('train', ?, ?, ?, ?)", _copies(catalog, settings.seed)
        )
    connection.execute(_RECORDS)
    connection.execute("DROP TABLE temp.drawn")


def _drop(catalog: Catalog, query: str, *parameters: Any) -> None:
    """Make the photos unusable that a query names, each with its reason."""
    connection = catalog.connection
    connection.execute("DROP TABLE IF EXISTS temp.dropped")
    connection.execute("CREATE TEMP TABLE dropped (id INTEGER PRIMARY KEY, reason TEXT)")
    connection.execute(f"INSERT INTO dropped {query}", parameters)
    connection.execute(
        "INSERT OR IGNORE INTO left_out"
        " SELECT part, path, reason, 'dropped' FROM dropped JOIN photos USING (id)"
    )
    connection.execute("UPDATE photos SET usable = 0 WHERE id IN (SELECT id FROM dropped)")


def _copies(catalog: Catalog, seed: int) -> Iterator[tuple[int, str, int, int]]:
    """Further copies of training photos (id, path, turn, copy), the categories filled up."""
    counts = dict(
        catalog.connection.execute(
            "SELECT categories, COUNT(*) FROM photos WHERE split = 'train' GROUP BY categories"
        ).fetchall()
    )
    largest = max(counts.values(), default=0)
    for category, photos in sorted(counts.items()):
        members = catalog.connection.execute(
            "SELECT id, path FROM photos WHERE split = 'train' AND categories = ?"
            " ORDER BY turn, path LIMIT ?",
            (category, largest - photos),
        ).fetchall()
        for extra in range(largest - photos):
            photo, path = members[extra % photos]
            copy = 1 + extra // photos
            yield photo, path, rank(path, seed=seed, purpose=f"copy {copy}"), copy
