"""Photos are encoded a few at a time, and each as if it were alone."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from recordio_prep import encode
from recordio_prep.encode import Encoded, Recipe, Unreadable, encode_photo, encode_photos


@dataclass(frozen=True)
class Held:
    """A source of photos in memory; what it does not hold, the system cannot read."""

    photos: dict[str, bytes]

    def read(self, locator):
        if locator not in self.photos:
            raise PermissionError(13, "Permission denied")
        return self.photos[locator]


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


RECIPE = Recipe(28, "squash", 95)


@pytest.fixture(scope="module")
def source():
    """Seven photos, one of them damaged, and an eighth that the system keeps back."""
    photos = {str(seed): jpeg(seed) for seed in range(7)}
    return Held(photos | {"3": b"no photo"})


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_photos_are_encoded_together_as_each_alone(source, monkeypatch, at_once):
    """Payload, hash and sums stay with their photo, also behind unreadable ones."""
    monkeypatch.setattr(encode, "_AT_ONCE", at_once)
    wanted = [(source, str(n), "png" if n % 2 else "jpeg") for n in range(8)]
    outcomes = list(encode_photos(iter(wanted), RECIPE))
    assert outcomes == [encode_photo(*photo, RECIPE) for photo in wanted]
    digests = [one.digest for one in outcomes if isinstance(one, Encoded)]
    readable = [locator for locator in source.photos if locator != "3"]
    assert digests == [hashlib.sha256(source.photos[one]).digest() for one in readable]
    assert outcomes[0].payload[:2] == b"\xff\xd8"
    assert outcomes[1].payload[:4] == b"\x89PNG"


def test_what_cannot_be_read_keeps_its_place(source):
    """With its reason, and whether that may pass."""
    outcomes = list(encode_photos([(source, one, "jpeg") for one in ("3", "8", "0")], RECIPE))
    assert [type(one) for one in outcomes] == [Unreadable, Unreadable, Encoded]
    assert [one.passing for one in outcomes[:2]] == [False, True]
    assert outcomes[1].reason == "Permission denied"


def test_no_more_photos_are_read_ahead_than_memory_is_meant_for(source):
    """Of large pictures few take a step together: a generator shows what was taken."""
    taken = []
    photos = ((taken.append(n), (source, "0", "jpeg"))[1] for n in range(9))
    next(encode_photos(photos, Recipe(1024, "squash", 95)))
    assert len(taken) == 1
