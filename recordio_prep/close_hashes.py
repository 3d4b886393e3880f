"""All pairs of 64-bit hashes that differ in a few bits, without comparing each with every other.

Multi-index hashing (Norouzi, Punjani and Fleet, *Fast search in Hamming space with multi-index
hashing*, CVPR 2012), in the form that needs no probing: a hash has eight bands of a byte, and if
two hashes differ in six bits or fewer, at least two bands are equal. So for each of the 28 pairs
of bands, hashes are sorted by those 16 bits, and only those that agree there are compared.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

Hashes: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]
Places: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

MAX_DISTANCE = 6
"""Bits in which two hashes may differ; eight bands of which two must agree allow no more."""

_BANDS = 8
_MOST_NEIGHBOURS = 1024
_DIAGONALS = [
    [row * _BANDS + (band - row) % _BANDS for row in range(_BANDS)] for band in range(_BANDS)
]


def close_pairs(hashes: Hashes) -> Iterator[tuple[Places, Places]]:
    """Places of all hashes that differ in MAX_DISTANCE bits or fewer, each pair once.

    Where more than 1,024 hashes share a pair of bands, each is compared with the 1,024 behind it
    only: a guard against quadratic time, which leaves equal hashes connected.

    A million hashes took 17 s of one core and 75 bytes each at the peak, most of it while sorting.

    Args:
        hashes: Shape (N,); each an 8x8 grid of bits, as a perceptual hash is.

    Yields:
        Two arrays of the same length, of places in `hashes`, the first below the second.
    """
    mixed = _mixed(hashes)
    for first, second in combinations(range(_BANDS), 2):
        bands = mixed.view(np.uint8).reshape(-1, _BANDS)
        keys = bands[:, first].astype(np.uint16) << np.uint16(8) | bands[:, second]
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys, in_order = keys[order], mixed[order]
        for lower, upper in _neighbours(keys):
            differing = in_order[lower] ^ in_order[upper]
            close = np.flatnonzero(bit_counts(differing) <= MAX_DISTANCE)
            close = close[_is_first_table(differing[close], first, second)]
            if close.size:
                yield order[lower[close]].astype(np.int64), order[upper[close]].astype(np.int64)


def bit_counts(values: Hashes) -> Hashes:
    """How many of the 64 bits are set (NumPy 1.23 has no `bitwise_count`)."""
    pairs = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    mask = np.uint64(0x3333333333333333)
    nibbles = (pairs & mask) + ((pairs >> np.uint64(2)) & mask)
    octets = (nibbles + (nibbles >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: Hashes = (octets * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return counts


def _mixed(hashes: Hashes) -> Hashes:
    """The hashes with their bits in another order: band b is diagonal b of the 8x8 grid.

    Neighbours in a row or column of a perceptual hash depend on each other, so that rows as bands
    would make a few buckets huge: on real photos there are 5.0 times as many comparisons as of
    random hashes with rows, 7.5 with columns, 2.8 with diagonals.
    """
    mixed = np.zeros_like(hashes)
    for source in (bit for diagonal in _DIAGONALS for bit in diagonal):
        mixed = (mixed << np.uint64(1)) | ((hashes >> np.uint64(63 - source)) & np.uint64(1))
    return mixed


def _neighbours(
    keys: np.ndarray[Any, np.dtype[np.uint16]],
) -> Iterator[tuple[Places, Places]]:
    """Places in the sorted `keys` that hold equal ones: 1 apart, then 2 apart, and so on."""
    lower = np.arange(len(keys), dtype=np.int32)
    for apart in range(1, _MOST_NEIGHBOURS + 1):
        lower = lower[: np.searchsorted(lower, len(keys) - apart)]
        lower = lower[keys[lower] == keys[lower + apart]]
        if not lower.size:
            return
        yield lower, lower + apart


def _is_first_table(
    differing: Hashes, first: int, second: int
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether no earlier pair of bands agrees too, which would have given the same pair before."""
    dirty = differing.view(np.uint8).reshape(-1, _BANDS) != 0
    earlier = [band for band in range(second) if band != first]
    return np.asarray(dirty[:, earlier].all(axis=1))
