"""How many photos of a batch go to the endpoint in one request."""

from __future__ import annotations

import pytest
from chalicelib.chunks import (
    CHUNK_BYTES,
    FAST_SECONDS,
    LARGEST_CHUNK,
    SLOW_SECONDS,
    Chunks,
)
from chalicelib.photo_request import Photo


def chunks_of(count: int, size: int = 1) -> Chunks:
    return Chunks(enumerate([Photo(bytes(size), "image/jpeg")] * count))


def test_every_photo_is_taken_once_in_order() -> None:
    """Until nothing is left."""
    chunks = chunks_of(1000)
    places = []
    while taken := chunks.take():
        places += [at for at, _ in taken]
        chunks.adapt(len(taken), FAST_SECONDS / 2)
    assert places == list(range(1000))


def test_chunks_grow_while_answers_come_fast() -> None:
    """By twice, up to the largest."""
    chunks = chunks_of(10_000)
    sizes = []
    for _ in range(11):
        sizes.append(len(chunks.take()))
        chunks.adapt(sizes[-1], FAST_SECONDS / 2)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256]
    assert LARGEST_CHUNK == 256


@pytest.mark.parametrize(
    ("seconds", "size"), [(FAST_SECONDS / 2, 64), (1.0, 32), (SLOW_SECONDS * 2, 16)]
)
def test_chunks_shrink_where_answers_come_late(seconds: float, size: int) -> None:
    """In between they stay."""
    chunks = chunks_of(10_000)
    chunks.adapt(16, 0)
    count = len(chunks.take())
    chunks.adapt(count, seconds)
    assert (count, len(chunks.take())) == (32, size)


def test_a_late_answer_to_one_photo_leaves_chunks_of_one() -> None:
    """There is nothing smaller, and nothing is left out."""
    chunks = chunks_of(10)
    chunks.adapt(1, SLOW_SECONDS * 10)
    assert len(chunks.take()) == 1


def test_a_chunk_stays_within_the_endpoints_payload() -> None:
    """Large photos go in smaller chunks, and one beyond the limit alone."""
    chunks = chunks_of(10, size=CHUNK_BYTES // 3)
    chunks.adapt(100, 0)
    assert len(chunks.take()) == 3
    chunks = chunks_of(2, size=CHUNK_BYTES + 1)
    chunks.adapt(100, 0)
    assert len(chunks.take()) == 1
