"""The API as Chalice sees it: routes and settings; what they do stands in `chalicelib`."""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from chalice import Chalice
from chalicelib import edge, logs, own_model, photo_request, replies
from chalicelib.endpoint import Endpoint, connect

ENDPOINT_NAME = os.environ.get("ENDPOINT_NAME", "")
MODEL_PROGRAM = os.environ.get("MODEL_PROGRAM", "")
MODEL_FOLDER = os.environ.get("MODEL_FOLDER", "")
ALLOWED_ORIGIN = os.environ.get("ALLOWED_ORIGIN", "*")
IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API" in os.environ  # a deployer imports this module too

app = Chalice(app_name="snapshelf", configure_logs=False)
app.api.binary_types = list(photo_request.BINARY_TYPES)
app.api.cors = edge.cors(ALLOWED_ORIGIN)
app.register_middleware(edge.middleware(app.api.cors), "http")
if IN_LAMBDA:
    logs.configure()


@functools.cache
def endpoint() -> Endpoint:
    """What the model is asked through; opened at need, so that deploying needs no region."""
    if MODEL_PROGRAM:
        return own_model.open_endpoint(MODEL_PROGRAM, MODEL_FOLDER, os.environ)
    return connect(ENDPOINT_NAME)


if IN_LAMBDA and MODEL_PROGRAM:
    endpoint()  # while the function starts, with a whole processor, and before anyone waits for it


@app.route(  # type: ignore[untyped-decorator]  # Chalice's decorators hide a view's type
    "/classify", methods=["POST"], content_types=list(photo_request.CONTENT_TYPES)
)
@edge.answering
def classify() -> dict[str, Any]:
    """Name the category of a photo.

    Body: JSON {"image": "<base64 or data URL>"}, the photo's bytes, a multipart form with the field
    file, or a data URL as text. Query: top_k.
    """
    started = time.perf_counter()
    request = app.current_request
    top_k = photo_request.read_top_k(request.query_params)
    photo = photo_request.read_photo(request.raw_body, request.headers.get("content-type", ""))
    prediction = endpoint().classify(photo)
    return replies.classification(
        prediction,
        top_k=top_k,
        request_id=logs.request_id.get(),
        total_ms=(time.perf_counter() - started) * 1000,
    )


@app.route("/categories", methods=["GET"])  # type: ignore[untyped-decorator]  # as above
@edge.answering
def categories() -> dict[str, Any]:
    """List the categories and the model that tells them apart."""
    return replies.categories(endpoint().describe())


@app.route("/health", methods=["GET"])  # type: ignore[untyped-decorator]  # as above
@edge.answering
def health() -> dict[str, Any]:
    """Say whether the model's endpoint answers."""
    return replies.health(endpoint().describe())
