"""Hooks of schemathesis: of the texts and bytes that it draws, some become photos.

What is drawn by the description alone is never a photo, so that no request would come as far as the
model. Half are left as they were drawn.
"""

from __future__ import annotations

import base64
import functools
import io
import zlib
from typing import Any

import schemathesis
from PIL import Image

COLOURS = ((250, 10, 10), (10, 250, 10), (10, 10, 250), (128, 128, 128))
KINDS = ("JPEG", "PNG", "WEBP", "GIF")
MEMBERS = ("image", "images")


@functools.cache
def photo(seed: int) -> bytes:
    """One of sixteen, whole, or one that ends in its middle."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), COLOURS[seed % 4]).save(buffer, KINDS[seed // 4 % 4])
    whole = buffer.getvalue()
    return whole[: len(whole) // 2] if seed // 16 % 4 == 0 else whole


def as_photo(drawn: Any) -> Any:
    """What was drawn, or a photo in its place: a text's base64, bytes as they are."""
    if isinstance(drawn, list):
        return [as_photo(each) for each in drawn]
    if not isinstance(drawn, str | bytes):
        return drawn
    seed = zlib.crc32(drawn if isinstance(drawn, bytes) else drawn.encode(errors="replace"))
    if seed % 128 < 64:
        return drawn
    found = photo(seed // 128 % 64)
    return found if isinstance(drawn, bytes) else base64.b64encode(found).decode()


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Of an object its members that are to be photos, of anything else the whole."""
    if isinstance(body, dict):
        return {name: as_photo(value) if name in MEMBERS else value for name, value in body.items()}
    return as_photo(body) if isinstance(body, bytes) else body
