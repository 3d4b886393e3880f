"""A photo becomes a record's payload and what is known of it, or the reason why it cannot."""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import PhotoError
from photo import prepare_stored_photo
from photo.quiet import quiet_pillow
from recordio_prep.perceptual_hash import perceptual_hashes
from recordio_prep.statistics import Moments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from PIL import Image

    from photo import Prepared
    from recordio_prep.sources.source import Source

_AT_ONCE, _PIXELS_AT_ONCE = 64, 1 << 20
"""Prepared photos that take a step together, and their pixels in all: 4 bytes each in memory."""

_PNG_COMPRESSION = 1  # 6 takes 2.4 times as long for 3 % fewer bytes of a real photo


@dataclass(frozen=True, slots=True)
class Recipe:
    """How photos are prepared and encoded (`recordio_prep.settings.Settings` explains)."""

    size: int
    fit: str
    quality: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prepared photo.

    Attributes:
        payload: The JPEG or PNG file's bytes.
        digest: SHA-256 of the photo file itself.
        format: Pillow's name of the photo file's format.
        width: Of the photo, upright, in pixels.
        height: Likewise.
        hash: Perceptual hash of the prepared photo: 64 bits, as a signed integer.
        moments: Of the prepared photo's pixels, before encoding.
    """

    payload: bytes
    digest: bytes
    format: str
    width: int
    height: int
    hash: int
    moments: Moments


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a photo cannot be packed.

    Attributes:
        reason: In words.
        passing: Whether it may be otherwise next time: the system's reason, not the photo's.
    """

    reason: str
    passing: bool = False


def encode_photo(
    source: Source, locator: str, encoding: str, recipe: Recipe
) -> Encoded | Unreadable:
    """Read, prepare and encode one photo; whatever is wrong with it is a reason."""
    return next(encode_photos([(source, locator, encoding)], recipe))


def encode_photos(
    photos: Iterable[tuple[Source, str, str]], recipe: Recipe
) -> Iterator[Encoded | Unreadable]:
    """Read, prepare and encode photos; whatever is wrong with one is a reason, in its place.

    A few at a time take each step together: a step's code is then still in the processor's cache
    for the next photo, from where a whole decoder would have driven it out.

    Args:
        photos: Source, locator and encoding ("jpeg" or "png") of each.
        recipe: Of all of them.
    """
    remaining = iter(photos)
    at_once = max(1, min(_AT_ONCE, _PIXELS_AT_ONCE // recipe.size**2))
    while batch := list(itertools.islice(remaining, at_once)):
        yield from _encode_batch(batch, recipe)


def _encode_batch(
    photos: Sequence[tuple[Source, str, str]], recipe: Recipe
) -> Iterator[Encoded | Unreadable]:
    with quiet_pillow():  # to enter it again for every photo inside costs next to nothing
        prepared = [_prepare(source, locator, recipe) for source, locator, _ in photos]
    images = [one.photo.image for one in prepared if isinstance(one, _Prepared)]
    hashes = iter(perceptual_hashes(images))
    moments = iter([Moments.of(image) for image in images])
    for (_, _, encoding), one in zip(photos, prepared, strict=True):
        if isinstance(one, Unreadable):
            yield one
            continue
        yield Encoded(
            payload=_encode(one.photo.image, encoding, recipe.quality),
            digest=one.digest,
            format=one.photo.format,
            width=one.photo.width,
            height=one.photo.height,
            hash=next(hashes),
            moments=next(moments),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    photo: Prepared
    digest: bytes


def _prepare(source: Source, locator: str, recipe: Recipe) -> _Prepared | Unreadable:
    try:
        data = source.read(locator)
        photo = prepare_stored_photo(data, recipe.size, recipe.fit)
    except OSError as error:
        return Unreadable(error.strerror or str(error), passing=True)
    except PhotoError as error:
        return Unreadable(error.message)
    return _Prepared(photo, hashlib.sha256(data).digest())


def _encode(image: Image.Image, encoding: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    if encoding == "jpeg":
        image.save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
    else:
        image.save(buffer, "PNG", compress_level=_PNG_COMPRESSION)
    return buffer.getvalue()
