"""Which photo is trained on and which is held back: stratified, seeded, stable."""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordio_prep.folders import Photo


def stratified(
    photos: Iterable[Photo], *, train_ratio: float, seed: int
) -> tuple[list[Photo], list[Photo]]:
    """Divide each category's photos by `train_ratio`: (train, validation), each sorted by path.

    Within a category the photos stand in an order that only the seed and their paths decide, and
    the first part of it is trained on. So a photo added or removed moves at most one other across.
    The ratio holds within one photo in every category; one of two photos or more has at least one
    on each side, a single photo is trained on, and so is everything at a ratio of 1.
    """
    train: list[Photo] = []
    validation: list[Photo] = []
    by_category = sorted(photos, key=lambda photo: (photo.category, photo.path))
    for _, group in groupby(by_category, key=lambda photo: photo.category):
        members = sorted(group, key=lambda photo: rank(photo.path, seed=seed, purpose="side"))
        cut = _train_count(len(members), train_ratio)
        train += members[:cut]
        validation += members[cut:]
    return sorted(train, key=lambda photo: photo.path), sorted(
        validation, key=lambda photo: photo.path
    )


def shuffled(photos: Iterable[Photo], *, seed: int) -> list[Photo]:
    """The photos in an order that only the seed and their paths decide."""
    return sorted(photos, key=lambda photo: rank(photo.path, seed=seed, purpose="order"))


def rank(path: str, *, seed: int, purpose: str) -> bytes:
    """A photo's place in a shuffle, the same on every machine and Python version."""
    return hashlib.sha256(f"{purpose}\0{seed}\0{path}".encode()).digest()


def _train_count(photos: int, train_ratio: float) -> int:
    if photos == 1 or train_ratio == 1:
        return photos
    return min(max(int(photos * train_ratio + 0.5), 1), photos - 1)
