"""Many photos in one InvokeEndpoint: JSON lines there, an answer or an error a line back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from .contracts import JSON_LINES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .photo_request import Photo

ACCEPT = f"{JSON_LINES};verbose;top_k=1"
"""The best class alone: of thousands of photos the others would be megabytes that nobody reads."""


def encode(photos: Iterable[Photo]) -> bytes:
    """A line a photo, as the endpoint reads it."""
    return b"\n".join(b'{"image":"%b"}' % base64.b64encode(photo.data) for photo in photos)


def decode(text: bytes, count: int) -> list[dict[str, Any]]:
    """The endpoint's answers, in order.

    Raises:
        ValueError: they are not `count` JSON objects.
    """
    found = [json.loads(line) for line in text.splitlines()]
    if len(found) != count or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{len(found)} answers to {count} photos")
    return found
