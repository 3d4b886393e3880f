"""The SageMaker plane in process, whose containers are real processes."""

import pytest
from sagemaker_stand_ins import running_plane


@pytest.fixture(scope="session")
def anyio_backend():
    """The plane stands on asyncio."""
    return "asyncio"


@pytest.fixture
async def client(tmp_path):
    """A plane of its own for each test, and its client."""
    async with running_plane(tmp_path) as one:
        yield one
