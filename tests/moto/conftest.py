"""A mocked AWS account in this process: no test here reaches a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws
from moto.apigateway.models import APIGatewayBackend
from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse

from infra import targets
from infra.deploy.plan import DeployOptions
from infra.deploy.scope import Scope, scope_of
from infra.targets import Target

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


@pytest.fixture(scope="session", autouse=True)
def clients() -> Iterator[None]:
    """Clients that were made with the credentials below, and none that outlive these tests."""
    targets._connect.cache_clear()
    yield
    targets._connect.cache_clear()


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A mocked AWS, and credentials that open nothing."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(APIGatewayBackend, "put_rest_api", _accepting_swagger)
    monkeypatch.setattr(SageMakerResponse, "update_endpoint", _update_endpoint, raising=False)
    with mock_aws():
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


_put_rest_api = APIGatewayBackend.put_rest_api


def _accepting_swagger(backend: APIGatewayBackend, function_id, api_doc, *args, **kwargs):
    """Hand moto the document as OpenAPI 3: it refuses Swagger 2.0 by its version line alone.

    moto also insists on an address for `mock` integrations, which have none.
    """
    document = {name: value for name, value in api_doc.items() if name != "swagger"}
    for methods in document["paths"].values():
        for method in methods.values():
            method["x-amazon-apigateway-integration"].setdefault("uri", "")
            method["x-amazon-apigateway-integration"].setdefault("httpMethod", "POST")
    return _put_rest_api(backend, function_id, {**document, "openapi": "3.0.1"}, *args, **kwargs)


def _update_endpoint(response: SageMakerResponse) -> ActionResult:
    """UpdateEndpoint, which moto lacks: in service with the new configuration at once."""
    endpoint = response.sagemaker_backend.endpoints[response._get_param("EndpointName")]
    endpoint.endpoint_config_name = response._get_param("EndpointConfigName")
    return ActionResult({"EndpointArn": endpoint.arn})
