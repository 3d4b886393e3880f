"""Which photos fit into one request: `{"images": ["<base64>", ...]}` on its way to Lambda."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeVar

from contracts import GATEWAY_PAYLOAD_BYTES, LAMBDA_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EVENT_BYTES = 64 * 1024
"""What the gateway adds to a request's body in the event that it hands to Lambda: headers (10,240
bytes at most, each twice), query, context.
"""

REQUEST_BYTES = min(LAMBDA_PAYLOAD_BYTES - EVENT_BYTES, GATEWAY_PAYLOAD_BYTES)
"""What the body of one request may take, as the event quotes it."""

MOST_IMAGES = 20_000
"""Photos that the API takes in one request (docs/api.md)."""

_FRAME_BYTES = len(b'{"images":[]}') + 2  # a backslash before each of its quotes
_IMAGE_FRAME_BYTES = len(b'\\"\\",')

Item = TypeVar("Item")


def quoted_bytes(size: int) -> int:
    """What a photo of `size` bytes takes of a request: base64, its quotes escaped, a comma."""
    return (size + 2) // 3 * 4 + _IMAGE_FRAME_BYTES


LARGEST_PHOTO = (REQUEST_BYTES - _FRAME_BYTES - _IMAGE_FRAME_BYTES) // 4 * 3
"""Bytes of the largest photo that fits into a request of its own, some 4.7 MB."""


def pack(
    photos: Iterable[tuple[Item, bytes]], most: int, limit: int = REQUEST_BYTES
) -> Iterator[list[tuple[Item, bytes]]]:
    """Put consecutive photos together, as many as fit.

    Args:
        photos: anything with a photo's bytes, each LARGEST_PHOTO at most.
        most: photos in one request.
        limit: bytes of one request, as the event quotes it.
    """
    packed: list[tuple[Item, bytes]] = []
    size = _FRAME_BYTES
    for item, data in photos:
        taken = quoted_bytes(len(data))
        if packed and (len(packed) >= most or size + taken > limit):
            yield packed
            packed, size = [], _FRAME_BYTES
        packed.append((item, data))
        size += taken
    if packed:
        yield packed


def body_of(photos: Sequence[bytes]) -> bytes:
    """The request's body; no JSON encoder is needed, since base64 holds nothing to escape."""
    if not photos:
        return b'{"images":[]}'
    return b'{"images":["' + b'","'.join(map(base64.b64encode, photos)) + b'"]}'
