"""A local API for the nightly job's tests."""

import pytest
from batch_api import BatchApi


@pytest.fixture
def api():
    """`BatchApi`, answering on a port of its own."""
    with BatchApi() as server:
        yield server
