"""Photos made in the tests, and real ones where they are at hand."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real photos: SNAPSHELF_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("SNAPSHELF_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real photos: {folder} is absent; name it by SNAPSHELF_DATA")
    return folder
