"""Requests drawn at random along the API's description: whatever comes, the client is answered.

The endpoint behind answers every photo; so whatever is 500 or more is a fault of the API's own.
"""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from chalicelib import openapi, photo_store
from chalicelib.endpoint import Endpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lambda_events import CARD, LABELS, Reply, data_url, gateway_event, photo_bytes

DOCUMENT = openapi.document(["default"])
PHOTOS = [photo_bytes(kind) for kind in ("JPEG", "PNG", "GIF")]
ROUTES = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if path != "/docs"
]
TYPES = sorted(
    {
        kind
        for _, _, operation in ROUTES
        for kind in operation.get("requestBody", {}).get("content", {})
    }
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
images = st.sampled_from([data_url(photo) for photo in PHOTOS]) | st.text(max_size=40) | scalars
members = st.fixed_dictionaries(
    {},
    optional={
        "image": images,
        "images": st.lists(images, max_size=4) | scalars,
        "category": st.sampled_from([*LABELS, "other"]) | scalars,
        "consent": st.booleans() | scalars,
        "predicted": scalars,
        "model_version": scalars,
    },
)
forms = st.builds(
    lambda name, data: (
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode(errors="replace")
        + data
        + b"\r\n--x--"
    ),
    st.sampled_from(["file", "other"]) | st.text(max_size=5),
    st.sampled_from(PHOTOS) | st.binary(max_size=40),
)
bodies = (
    st.builds(json.dumps, members | scalars)
    | st.sampled_from(PHOTOS)
    | st.sampled_from([data_url(photo) for photo in PHOTOS])
    | forms
    | st.binary(max_size=60)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.none()
)
types = st.sampled_from(TYPES) | st.sampled_from(
    ["multipart/form-data; boundary=x", "application/json; charset=utf-16", "", "/", "a/b;c"]
)
queries = st.none() | st.dictionaries(
    st.sampled_from(["top_k", "model", "bad_photos", "embedding", "heatmap"]),
    st.sampled_from(["1", "6", "default", "null", "true"]) | st.text(max_size=8),
    max_size=3,
)


@pytest.fixture
def answering_app(lambda_app, monkeypatch):
    """The app before an endpoint that answers everything, and a bucket that takes everything."""
    prediction = {"probabilities": [0.1] * 5 + [0.5], "labels": LABELS, "model_version": "v7"}

    def invoke_endpoint(**parameters):
        described = parameters.get("CustomAttributes") == "method=describe"
        answer = json.dumps(CARD if described else prediction).encode()
        lines = parameters["ContentType"] == "application/jsonlines"
        count = len(parameters["Body"].splitlines()) if lines else 1
        return {"Body": io.BytesIO(b"\n".join([answer] * count))}

    client = SimpleNamespace(invoke_endpoint=invoke_endpoint)
    bucket = photo_store.PhotoStore(SimpleNamespace(put_object=lambda **_: {}), "shelf")
    monkeypatch.setattr(lambda_app, "ENDPOINT_NAME", "shelf")
    monkeypatch.setattr(lambda_app, "connect", lambda name: Endpoint(name, client, concurrency=2))
    monkeypatch.setattr(lambda_app, "FEEDBACK_BUCKET", "shelf")
    monkeypatch.setattr(lambda_app, "store", lambda _: bucket)
    lambda_app.endpoint.cache_clear()
    yield lambda_app.app
    lambda_app.endpoint.cache_clear()


requests = st.fixed_dictionaries(
    {
        "route": st.sampled_from(ROUTES),
        "body": bodies,
        "content_type": types,
        "query": queries,
        "name": st.just("default") | st.text(max_size=8),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=250)
@given(request=requests)
def test_no_request_is_answered_with_a_fault_of_the_apis_own(answering_app, request):
    """Never 500 or more, always JSON, and a status that the description names."""
    method, path, operation = request["route"]
    event = gateway_event(
        method,
        path,
        body=request["body"],
        headers={"Content-Type": request["content_type"]} if request["content_type"] else {},
        query=request["query"],
        path_parameters={"name": request["name"]} if "{" in path else None,
    )
    reply = Reply(answering_app(event, None))
    assert reply.status < 500, reply.json
    assert str(reply.status) in operation["responses"]
    if reply.status >= 400:
        assert set(reply.json) == {"code", "message", "hint", "request_id"}
