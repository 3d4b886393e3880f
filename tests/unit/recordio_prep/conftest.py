"""Folders of photos made in the tests, and real ones where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real photos: SNAPSHELF_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("SNAPSHELF_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real photos: {folder} is absent; name it by SNAPSHELF_DATA")
    return folder


@pytest.fixture
def make_photos():
    """A function that fills a folder: `make_photos(root, {"cat/1.png": colour or None, ...})`.

    None draws random pixels, the same for the same path.
    """

    def make(root, photos):
        for path, colour in photos.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if colour is None:
                noise = np.random.default_rng(list(path.encode())).integers(0, 256, (9, 12, 3))
                image = Image.fromarray(noise.astype(np.uint8))
            else:
                image = Image.new("RGB", (12, 9), colour)
            image.save(file)
        return root

    return make


@pytest.fixture
def two_classes(tmp_path, make_photos):
    """20 photos in two categories, ten each."""
    names = [f"{category}/{n:02d}.png" for category in ("cat", "dog") for n in range(10)]
    return make_photos(tmp_path / "photos", dict.fromkeys(names))
