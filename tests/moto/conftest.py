"""A mocked AWS account in this process: no test here reaches a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from infra.deploy.options import DeployOptions
from infra.deploy.scope import Scope, scope_of
from infra.targets import Target
from testing.account import mocked_account
from testing.fixtures import snapshelf, snapshelf_account, snapshelf_artifact, snapshelf_clients

__all__ = ["snapshelf", "snapshelf_account", "snapshelf_artifact", "snapshelf_clients"]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = '''
import os
from chalice import Chalice, CORSConfig

app = Chalice(app_name="small")
app.api.cors = CORSConfig(allow_origin=os.environ["ALLOWED_ORIGIN"])
app.api.binary_types = ["image/jpeg"]


@app.route("/classify", methods=["POST"], content_types=["application/json", "image/jpeg"])
def classify():
    """Name the category of a photo."""
    return {}
'''


@pytest.fixture(autouse=True)
def aws(snapshelf_clients: None) -> Iterator[None]:
    """A mocked AWS, and credentials that open nothing."""
    with mocked_account("eu-central-1"):
        yield


@pytest.fixture
def target() -> Target:
    return Target("aws", "eu-central-1")


@pytest.fixture
def scope(target: Target) -> Scope:
    return scope_of("shelf", target)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chalice project of one route."""
    folder = tmp_path_factory.mktemp("lambda_fn")
    (folder / ".chalice").mkdir()
    config = {"version": "2.0", "app_name": "small", "stages": {"api": {}}}
    (folder / ".chalice" / "config.json").write_text(json.dumps(config))
    (folder / "app.py").write_text(APP)
    (folder / "requirements.txt").touch()
    return folder


@pytest.fixture(scope="session")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests, so that Chalice packages once."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def options(tmp_path: Path, project: Path, build_dir: Path) -> DeployOptions:
    """A small deployment: some bytes as the artifact, one route, a page of two files."""
    artifact = tmp_path / "model.tar.gz"
    artifact.write_bytes(b"an artifact")
    web = tmp_path / "web"
    (web / "vendor").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>Shelf</title>")
    (web / "vendor" / "jquery.min.js").write_text("// jQuery")
    return DeployOptions(artifact, lambda_dir=project, web_dir=web, build_dir=build_dir)
