"""Photos and records by category, level of the tree and split."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from contracts import SPLITS
from recordio_prep.catalog import parted
from recordio_prep.check.findings import Balance, Bar, Reason, SplitRow

if TYPE_CHECKING:
    from recordio_prep.catalog import Catalog

_REASONS_SHOWN = 20
_PATHS_SHOWN = 12
_PLURAL = re.compile(r"(?<=\w\w\w)s\b")
_IGNORED = re.compile(r"[\W_]+")


def photos_by_part(catalog: Catalog) -> dict[str, int]:
    """How many photos could be read of each part."""
    rows = catalog.connection.execute(
        "SELECT part, COUNT(*) FROM known GROUP BY part ORDER BY part"
    )
    return dict(rows.fetchall())


def photos_by_category(catalog: Catalog, part: str) -> Counter[str]:
    """How many photos of a part could be read; one of several categories counts in each."""
    counts: Counter[str] = Counter()
    rows = catalog.connection.execute(
        "SELECT categories, COUNT(*) FROM known WHERE part = ? GROUP BY categories",
        (part,),
    )
    for categories, count in rows:
        for category in parted(categories):
            counts[category] += count
    return counts


def is_multi_label(catalog: Catalog) -> bool:
    """Whether any photo shows no category, or several."""
    row = catalog.connection.execute(
        "SELECT EXISTS (SELECT 1 FROM photos WHERE categories = '' OR instr(categories, char(31)))"
    )
    return bool(row.fetchone()[0])


def balance_of(counts: Counter[str]) -> Balance:
    """Counts as a balance; equal ones in the order of their names."""
    bars = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total = sum(counts.values())
    if not total:
        return Balance((), 0.0, 0.0)
    entropy = -sum(n / total * math.log(n / total) for _, n in bars if n)
    return Balance(
        bars=tuple(Bar(name, count) for name, count in bars),
        ratio=round(bars[0][1] / max(1, bars[-1][1]), 2),
        effective=round(math.exp(entropy), 2),
    )


def balances_of_levels(catalog: Catalog, counts: Counter[str]) -> tuple[Balance, ...]:
    """The balance of each level of the category tree, from the top; none where it is flat.

    The last level is the categories themselves where every one has a name of its own there.
    """
    tree = catalog.meta("tree") or {}
    depth = max((len(levels) for levels in tree.values()), default=0)
    totals: list[Counter[str]] = [Counter() for _ in range(depth)]
    for category, count in counts.items():
        for total, name in zip(totals, tree.get(category, ()), strict=False):
            total[name] += count
    return tuple(balance_of(total) for total in totals)


def split_rows(catalog: Catalog) -> tuple[SplitRow, ...]:
    """Records by category and split, by name of the category."""
    counts: dict[str, Counter[str]] = {}
    rows = catalog.connection.execute(
        "SELECT categories, records.split, COUNT(*) FROM records JOIN photos USING (id)"
        " GROUP BY 1, 2"
    )
    for categories, split, count in rows:
        for category in parted(categories):
            counts.setdefault(category, Counter())[split] += count
    return tuple(
        SplitRow(category, {split: counts[category][split] for split in SPLITS})
        for category in sorted(counts)
    )


def records_by_split(catalog: Catalog) -> dict[str, int]:
    """How many records each split has; empty where none were written."""
    rows = catalog.connection.execute("SELECT split, COUNT(*) FROM records GROUP BY split")
    counts = dict(rows.fetchall())
    return {split: counts[split] for split in SPLITS if split in counts}


def reasons_left_out(catalog: Catalog) -> tuple[Reason, ...]:
    """Why entries are left out, the most frequent reasons first; the rest is in left_out.csv."""
    select = catalog.connection.execute
    groups = select(
        "SELECT kind, reason, COUNT(*) AS many FROM left_out GROUP BY kind, reason"
        " ORDER BY kind = 'unreadable' DESC, many DESC, kind, reason LIMIT ?",
        (_REASONS_SHOWN,),
    ).fetchall()
    paths = "SELECT path FROM left_out WHERE kind = ? AND reason = ? ORDER BY part, path LIMIT ?"
    return tuple(
        Reason(
            kind,
            reason,
            count,
            tuple(path for (path,) in select(paths, (kind, reason, _PATHS_SHOWN))),
        )
        for kind, reason, count in groups
    )


def similar_names(names: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of names that differ in case, spaces, punctuation or a plural's s only."""
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(names):
        key = _IGNORED.sub("", _PLURAL.sub("", name.casefold().replace("_", " "))) or name
        pairs += [(first[key], name)] if key in first else []
        first.setdefault(key, name)
    return tuple(pairs)
