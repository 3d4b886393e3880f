"""Families of photos that show the same: the same bytes, or the same photo saved another way.

Exact ones are the database's business (equal SHA-256). Near ones are found in three steps, each
cheaper a pair than the next: hashes that differ in a few bits, then averages and contrasts of the
channels, then the prepared photos themselves (see `close_hashes` and `same_photo`, which give the
measurements behind their thresholds).

Photos of hardly any detail take no part in the search for near ones: a single colour has a hash,
but it is that of its noise.
"""

from __future__ import annotations

import functools
import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from recordio_prep.close_hashes import close_pairs
from recordio_prep.same_photo import luminance, may_show_same, show_same, thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordio_prep.catalog import Catalog
    from recordio_prep.close_hashes import Hashes, Places
    from recordio_prep.same_photo import Grey

UNCOMPARED = "uncompared"
"""The catalog's note of how many pairs of photos with close hashes were not compared."""

Moments: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

SINGLE_COLOUR_DETAIL = 4.0
"""Photos of less `detail` are one colour to the eye. The least of 6,281 real photos is 8.9 (a grey
book cover), of Fashion-MNIST's 70,000 it is 16.5; a JPEG of one colour has less than 1."""

MAX_MOMENT_DIFFERENCE = 7
"""Grey levels by which a channel's mean or standard deviation may differ, after one gain for all.
Of the same photo saved another way 99 % are within 5.4, of one cropped by 3 % they are within 8.3;
of other photos with a close hash 12 % are, of Fashion-MNIST's 68 %."""

_LEAST_GAIN, _MOST_GAIN = 0.87, 1.15
_BATCH = 256  # pairs, 100 kB each while they are looked at
_THUMBNAILS_KEPT = 2 * _BATCH  # of 13 kB each: those of the batch at hand
_GREYS_KEPT = 32_768  # of 1.1 kB each: a photo is of several pairs, which come far apart
_ROWS = 10_000

_LEAST_COMPARED = 200_000
"""Pairs that are compared by their pictures; or one for ten photos, if that is more.

Of photos that look alike by nature the pairs grow with the square of their number. So the search
stays in proportion to the encoding: a pair takes 0.2 ms of one core, and up to 2 ms where neither
photo was looked at lately and only the last step tells them apart.
"""

_PHOTOS_A_PAIR = 10

_EXACT = """
    INSERT INTO families SELECT id, lowest, 1 FROM (
        SELECT id, MIN(id) OVER same AS lowest, COUNT(*) OVER same AS many
        FROM facts WINDOW same AS (PARTITION BY digest)
    ) WHERE many > 1
"""
_DISTINCT = """
    FROM facts LEFT JOIN families USING (id)
    WHERE detail >= ? AND (family IS NULL OR family = id) ORDER BY id
"""
_FACTS = "SELECT id, hash, red, green, blue, red2, green2, blue2"
_MERGE = """
    UPDATE families SET family = (SELECT family FROM near WHERE near.id = families.family)
    WHERE family IN (SELECT id FROM near);
    INSERT OR IGNORE INTO families SELECT id, family, 0 FROM near;
    DROP TABLE near;
"""


def find_families(catalog: Catalog, payload: Callable[[int], bytes]) -> None:
    """Fill the table `families`; what stood there is replaced.

    All parts are searched together, so that a photo of the training side that lies in the test
    folder too is found. Families are transitive: a crop of a thumbnail of a photo is of its family.

    Args:
        catalog: With the `facts` of every photo.
        payload: Gives the prepared photo, JPEG or PNG, of a photos.id.
    """
    connection = catalog.connection
    connection.execute("DELETE FROM families")
    connection.execute(_EXACT)
    distinct = _Distinct.of(catalog, payload)
    families, uncompared = _near_families(distinct, payload)
    ids = distinct.ids
    near = ((int(ids[member]), int(ids[lowest])) for member, lowest in families.members())
    connection.execute("CREATE TEMP TABLE near (id INTEGER PRIMARY KEY, family INTEGER)")
    connection.executemany("INSERT INTO near VALUES (?, ?)", near)
    connection.executescript(_MERGE)
    catalog.set_meta(UNCOMPARED, uncompared)
    connection.commit()


@dataclass(frozen=True, slots=True)
class _Distinct:
    """Photos with detail, one of each exact family: 18 bytes each.

    Attributes:
        ids: photos.id, ascending, int32 of shape (N,).
        hashes: uint64 of shape (N,).
        moments: Mean and standard deviation of red, green and blue, grey levels, uint8 of (N, 6).
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    hashes: Hashes
    moments: Moments

    @classmethod
    def of(cls, catalog: Catalog, payload: Callable[[int], bytes]) -> _Distinct:
        parameters = (SINGLE_COLOUR_DETAIL,)
        select = catalog.connection.execute
        count = select("SELECT COUNT(*) " + _DISTINCT, parameters).fetchone()[0]
        read = cls(
            np.empty(count, np.int32), np.empty(count, np.uint64), np.empty((count, 6), np.uint8)
        )
        rows = select(_FACTS + _DISTINCT, parameters)
        start, pixels = 0, 0
        while chunk := rows.fetchmany(_ROWS):
            pixels = pixels or _pixels(payload(chunk[0][0]))
            values = np.array(chunk, dtype=np.int64)
            place = slice(start, start + len(values))
            read.ids[place] = values[:, 0]
            read.hashes[place] = np.ascontiguousarray(values[:, 1]).view(np.uint64)
            read.moments[place] = _moments(values[:, 2:] / pixels)
            start += len(values)
        return read


def _pixels(payload: bytes) -> int:
    with Image.open(io.BytesIO(payload)) as image:
        return image.width * image.height


def _moments(averages: np.ndarray[Any, np.dtype[np.float64]]) -> Moments:
    """Means and standard deviations, from the averages of the pixels and of their squares."""
    means, squares = averages[:, :3], averages[:, 3:]
    deviations = np.sqrt(np.maximum(0, squares - means**2))
    moments: Moments = np.rint(np.hstack([means, deviations])).astype(np.uint8)
    return moments


def _near_families(distinct: _Distinct, payload: Callable[[int], bytes]) -> tuple[_Families, int]:
    """The families of places in `distinct`, and how many pairs were not compared any more."""
    ids = distinct.ids
    compare = _Comparison(lambda place: payload(int(ids[place])))
    families = _Families(len(ids))
    left, uncompared = max(_LEAST_COMPARED, len(ids) // _PHOTOS_A_PAIR), 0
    for lower, upper in close_pairs(distinct.hashes):
        alike = np.flatnonzero(_alike(distinct.moments[lower], distinct.moments[upper]))
        for start in range(0, len(alike), _BATCH):
            batch = alike[start : start + _BATCH]
            batch = batch[families.roots(lower[batch]) != families.roots(upper[batch])]
            if left <= 0:
                uncompared += len(batch)
                continue
            left -= len(batch)
            for one, other in compare.promising(lower[batch].tolist(), upper[batch].tolist()):
                if families.root(one) != families.root(other) and compare.same(one, other):
                    families.join(one, other)
    return families, uncompared


class _Comparison:
    """Compares photos by their payloads, the pictures of the last ones kept at hand."""

    def __init__(self, payload: Callable[[int], bytes]) -> None:
        self.payload = payload
        self.picture = functools.lru_cache(_THUMBNAILS_KEPT)(self._picture)
        self.grey = functools.lru_cache(_GREYS_KEPT)(self._grey)

    def promising(self, ones: list[int], others: list[int]) -> list[tuple[int, int]]:
        """Those pairs that a first look does not tell apart."""
        if not ones:
            return []
        greys = np.stack([self.grey(place) for place in ones + others])
        hopeful = may_show_same(greys[: len(ones)], greys[len(ones) :])
        return list(itertools.compress(zip(ones, others, strict=True), hopeful.tolist()))

    def same(self, one: int, other: int) -> bool:
        return show_same(self.picture(one), self.picture(other))

    def _picture(self, place: int) -> Image.Image:
        return thumbnail(self.payload(place))

    def _grey(self, place: int) -> Grey:
        return luminance(self.picture(place))


def _alike(ones: Moments, others: Moments) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether moments agree but for a gain, which is brightness."""
    one, other = ones.astype(np.float32), others.astype(np.float32)
    gain = (one * other).sum(axis=1) / np.maximum(1, (one * one).sum(axis=1))
    scaled = one * np.clip(gain, _LEAST_GAIN, _MOST_GAIN)[:, None]
    return np.asarray(np.abs(scaled - other).max(axis=1) <= MAX_MOMENT_DIFFERENCE)


class _Families:
    """Disjoint sets of 0..N-1, four bytes each; a set is named by its lowest member."""

    def __init__(self, count: int) -> None:
        self.parents = np.arange(count, dtype=np.int32)

    def roots(self, places: Places) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The lowest member of each one's set."""
        roots: np.ndarray[Any, np.dtype[np.int32]] = self.parents[places]
        while not np.array_equal(above := self.parents[roots], roots):
            roots = above
        self.parents[places] = roots  # the next way up is shorter
        return roots

    def root(self, place: int) -> int:
        while (parent := int(self.parents[place])) != place:
            place = parent
        return place

    def join(self, one: int, other: int) -> None:
        lowest, highest = sorted((self.root(one), self.root(other)))
        self.parents[highest] = lowest

    def members(self) -> Iterator[tuple[int, int]]:
        """Each one and the lowest of its set, of sets of more than one."""
        roots = self.roots(np.arange(len(self.parents)))
        many = np.bincount(roots, minlength=len(roots))[roots] > 1
        places = np.flatnonzero(many)
        yield from zip(places.tolist(), roots[places].tolist(), strict=True)
