"""A local cloud for the end-to-end tests: the real process on a port of the system's choosing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from tiny_function import PATHS, document, make_function

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


@pytest.fixture(scope="session")
def function(aws: Callable[[str], Any]) -> str:
    """The ARN of a function that the tests share."""
    return make_function(aws("lambda"), "tiny")


@pytest.fixture(scope="session")
def api(cloud: launch.CloudInfo, aws: Callable[[str], Any], function: str) -> str:
    """The address of a deployed API in front of the function."""
    gateway = aws("apigateway")
    body = json.dumps(document(function, PATHS)).encode()
    api_id = gateway.import_rest_api(body=body)["id"]
    gateway.create_deployment(restApiId=api_id, stageName="api")
    return f"{cloud.endpoint_url}/restapis/{api_id}/api/_user_request_"
