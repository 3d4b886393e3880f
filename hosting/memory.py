"""How the C library keeps memory that was freed."""

from __future__ import annotations

import ctypes

LARGE_BYTES = 1024**2

_M_MMAP_THRESHOLD = -3
"""mallopt(3), malloc.h of the GNU C library."""


def give_large_blocks_back() -> None:
    """Have blocks of LARGE_BYTES and more returned to the system when they are freed.

    The GNU C library raises that bound by itself to what was freed last, up to 32 MB: pixels and
    bodies then lie between what stays, and leave gaps. Over 114 MB of odd photos, many in a
    request, a process grew from 120 to 540 MB; with the bound kept where it is, to 165 MB.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if tune is not None:
        tune(_M_MMAP_THRESHOLD, LARGE_BYTES)
