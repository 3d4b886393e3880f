"""Several models side by side: each has the whole API below its name."""

from __future__ import annotations

import json

import pytest
from chalicelib.endpoint import Endpoint
from lambda_events import data_url, photo_bytes

HEADERS = {"Content-Type": "application/json"}
BODY = json.dumps({"image": data_url(photo_bytes())})


@pytest.fixture
def two_models(lambda_app, monkeypatch):
    """The deployment `shelf` with a second model `refund`, and the endpoints that are asked."""
    asked: list[str] = []

    class Client:
        def invoke_endpoint(self, **parameters):
            asked.append(parameters["EndpointName"])
            raise RuntimeError

    monkeypatch.setattr(lambda_app, "ENDPOINT_NAME", "shelf")
    monkeypatch.setattr(lambda_app, "MODELS", '{"refund": "shelf-refund"}')
    monkeypatch.setattr(lambda_app, "connect", lambda name: Endpoint(name, Client()))
    lambda_app.endpoint.cache_clear()
    yield asked
    lambda_app.endpoint.cache_clear()


@pytest.mark.parametrize(
    ("path", "named", "endpoint"),
    [
        ("/classify", {}, "shelf"),
        ("/classify", {"query": {"model": "refund"}}, "shelf-refund"),
        ("/models/{name}/classify", {"path_parameters": {"name": "refund"}}, "shelf-refund"),
        ("/models/{name}/classify", {"path_parameters": {"name": "default"}}, "shelf"),
        (
            "/models/{name}/classify",
            {"path_parameters": {"name": "refund"}, "query": {"model": "default"}},
            "shelf-refund",
        ),
    ],
)
def test_the_model_that_is_named_is_asked(call, two_models, path, named, endpoint):
    """By the path, by the query, and the default where neither names one."""
    call("POST", path, body=BODY, headers=HEADERS, **named)
    assert two_models == [endpoint]


@pytest.mark.parametrize("name", ["nothing", "shelf-refund", "x" * 5000])
def test_a_model_that_is_not_there_is_404(call, two_models, name):
    """Endpoints cannot be reached by their own names, and the message lists the models."""
    names = {"name": name}
    reply = call(
        "POST", "/models/{name}/classify", body=BODY, headers=HEADERS, path_parameters=names
    )
    assert (reply.status, reply.json["code"]) == (404, "unknown_model")
    assert "default or refund" in reply.json["message"]
    assert len(reply.json["message"]) < 200
    assert two_models == []


def test_models_are_listed_with_their_paths(call, two_models):
    """No endpoint is asked for it."""
    reply = call("GET", "/models")
    assert reply.json["models"] == [
        {"name": "default", "path": "/models/default"},
        {"name": "refund", "path": "/models/refund"},
    ]


def test_every_route_of_a_model_stands_below_its_name_too(lambda_app):
    """A client of one system has an address of its own, and goes on unchanged."""
    own = {"/", "/models", "/docs", "/openapi.json"}
    routes = {path for path, methods in lambda_app.app.routes.items() if methods}
    below = {path for path in routes if path.startswith("/models/{name}")}
    expected = {f"/models/{{name}}{path}" for path in routes - below - own}
    assert below == {*expected, "/models/{name}"}
    assert "POST" in lambda_app.app.routes["/models/{name}"]
