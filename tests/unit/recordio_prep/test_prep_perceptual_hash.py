"""Perceptual hashes: the bits of imagehash, steady under compression."""

import imagehash
import numpy as np
import pytest
from PIL import Image

from recordio_prep.perceptual_hash import perceptual_hashes


def clouds(seed, side):
    """Smooth colours, others for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("side", [28, 112, 224])
def test_the_hash_is_that_of_the_package_imagehash(side):
    """Of the same 32 x 32 grey pixels it is the same in every bit, as a signed integer."""
    pictures = [clouds(seed, side) for seed in range(20)]
    for picture, found in zip(pictures, perceptual_hashes(pictures), strict=True):
        grey = picture.convert("L").resize((32, 32), Image.Resampling.BOX)
        expected = np.packbits(imagehash.phash(grey).hash).tobytes()
        assert found.to_bytes(8, "big", signed=True) == expected


def test_the_hash_stays_under_another_compression():
    """A little noise moves none but the frequencies that stand at the median."""
    picture = clouds(3, 112)
    noise = np.random.default_rng(0).normal(0, 2, (112, 112, 3))
    again = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    one, same, other = perceptual_hashes([picture, again, clouds(4, 112)])
    mask = (1 << 64) - 1
    assert ((one ^ same) & mask).bit_count() <= 4
    assert ((one ^ other) & mask).bit_count() > 12


def test_of_no_pictures_there_are_no_hashes():
    """Where none of a few photos can be read."""
    assert perceptual_hashes([]) == []
