"""Fixtures for pytest: `pytest_plugins = ["testing.fixtures"]` in a top-level conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra import targets
from testing.account import mocked_account, put_model_into_service
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.deploy.scope import Scope
    from infra.targets import Target


@pytest.fixture(scope="session")
def snapshelf_clients() -> Iterator[None]:
    """Clients made with a mocked account's credentials, and none that outlive these tests."""
    targets.forget_clients()
    yield
    targets.forget_clients()


@pytest.fixture
def snapshelf_account(snapshelf_clients: None) -> Iterator[Target]:  # noqa: ARG001 (their end)
    """An empty mocked account in us-east-1."""
    with mocked_account() as target:
        yield target


@pytest.fixture(scope="session")
def snapshelf_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model.tar.gz in service: red, green or blue. Override it to test with your own."""
    return write_small_artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture
def snapshelf(snapshelf_account: Target, snapshelf_artifact: Path) -> Scope:
    """A mocked account with buckets, role, model and the endpoint `snapshelf` in service.

    Gives `client(service)`, `endpoint`, `artifact_bucket` and the other names of a deployment.
    """
    return put_model_into_service(snapshelf_account, snapshelf_artifact)
