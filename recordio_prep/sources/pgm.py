"""Grey pixels become a PGM file, which image libraries decode exactly and nothing has to encode."""

from __future__ import annotations

EXTENSION = ".pgm"


def pgm(width: int, height: int, pixels: bytes) -> bytes:
    """A binary PGM (magic number P5, as netpbm specifies it) of 8-bit grey, 0 black.

    Args:
        width: In pixels.
        height: In pixels.
        pixels: One byte each, by rows from the top: `width * height` of them.
    """
    return b"%s%s" % (_header(width, height), pixels)


def pgm_size(width: int, height: int) -> int:
    """Bytes of such a file."""
    return len(_header(width, height)) + width * height


def _header(width: int, height: int) -> bytes:
    return b"P5 %d %d 255\n" % (width, height)
