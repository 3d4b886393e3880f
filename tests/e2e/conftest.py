"""A local cloud for the end-to-end tests: the real process on a port of the system's choosing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from infra.local import launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Client = Callable[[str], Any]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.CloudInfo]:
    """A running local cloud that ends with the test session."""
    state = tmp_path_factory.mktemp("cloud")
    info = launch.start(state, port=0, attached=True)
    yield info
    launch.stop(state)


@pytest.fixture(scope="session")
def client_at() -> Callable[[str], Client]:
    """Makes, for an endpoint address, the function that makes boto3 clients."""

    def at(endpoint_url: str) -> Client:
        def client(service: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
            )

        return client

    return at


@pytest.fixture(scope="session")
def aws(cloud: launch.CloudInfo, client_at: Callable[[str], Client]) -> Client:
    """`aws("s3")` is a boto3 client of the session's local cloud."""
    return client_at(cloud.endpoint_url)
