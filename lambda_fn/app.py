"""The API as Chalice sees it: routes and settings; what they do stands in `chalicelib`."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

from chalice import Chalice, Response
from chalicelib import (
    batch,
    classify_options,
    docs_page,
    edge,
    feedback,
    logs,
    models,
    openapi,
    own_model,
    photo_request,
    photo_store,
    replies,
)
from chalicelib.contracts import JSON
from chalicelib.endpoint import Endpoint, Prediction, connect
from chalicelib.errors import FeedbackOffError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chalicelib.photo_request import Photo

    View = Callable[..., dict[str, Any]]

ENDPOINT_NAME = os.environ.get("ENDPOINT_NAME", "")
MODELS = os.environ.get("MODELS", "")
MODEL_PROGRAM = os.environ.get("MODEL_PROGRAM", "")
MODEL_FOLDER = os.environ.get("MODEL_FOLDER", "")
ALLOWED_ORIGIN = os.environ.get("ALLOWED_ORIGIN", "*")
FEEDBACK_BUCKET = os.environ.get("FEEDBACK_BUCKET", "")
CAPTURE_BUCKET = os.environ.get("CAPTURE_BUCKET", "")
CAPTURE_BELOW = float(os.environ.get("CAPTURE_BELOW", "0"))
FUNCTION_NAME = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API" in os.environ  # a deployer imports this module too

app = Chalice(app_name="snapshelf", configure_logs=False)
app.api.binary_types = list(photo_request.BINARY_TYPES)
app.api.cors = edge.cors(ALLOWED_ORIGIN)
app.register_middleware(edge.middleware(app.api.cors, FUNCTION_NAME), "http")
if IN_LAMBDA:
    logs.configure()


@functools.cache
def endpoint(name: str = models.DEFAULT_MODEL) -> Endpoint:
    """What the model `name` is asked through; opened at need, so that deploying needs no region."""
    found = models.find_endpoint(models.read_models(ENDPOINT_NAME, MODELS), name)
    if MODEL_PROGRAM:
        return own_model.open_endpoint(MODEL_PROGRAM, MODEL_FOLDER, os.environ)
    return connect(found)


if IN_LAMBDA and (MODEL_PROGRAM or ENDPOINT_NAME):
    endpoint()  # while the function starts, with a whole processor, and before anyone waits for it


@functools.cache
def store(bucket: str) -> photo_store.PhotoStore:
    """Where photos are kept; opened at need, as the endpoint."""
    return photo_store.connect(bucket)


def of_any_model(
    path: str, method: str, content_types: Sequence[str] = ()
) -> Callable[[View], Callable[..., Response]]:
    """Give a view its path, and the same below `/models/{name}`: each model has a whole API."""

    def register(view: View) -> Callable[..., Response]:
        answered = edge.answering(view)
        for each in (path, openapi.model_path(path)):
            app.route(each, methods=[method], content_types=list(content_types))(answered)
        return answered

    return register


def asked_model(name: str | None) -> Endpoint:
    """The model that the path names, or else the query's `model`, or else the default."""
    query = app.current_request.query_params or {}
    return endpoint(name or query.get("model") or models.DEFAULT_MODEL)


def ask(model: Endpoint, photo: Photo, attributes: str = "") -> Prediction:
    """What the model says of the photo, which is kept for labelling where the model is unsure."""
    prediction = model.classify(photo, attributes)
    keep_doubtful(photo, prediction)
    return prediction


def ask_many(model: Endpoint, photos: Sequence[Photo]) -> list[batch.Outcome]:
    """As `ask` each, in order; what is wrong with a photo stands in its place."""
    outcomes = model.classify_many(photos)
    for photo, outcome in zip(photos, outcomes, strict=True):
        if isinstance(outcome, Prediction):
            keep_doubtful(photo, outcome)
    return outcomes


def keep_doubtful(photo: Photo, prediction: Prediction) -> None:
    """Keep the photo for labelling, where the deployment does and the model is unsure."""
    if CAPTURE_BUCKET and prediction.best_probability < CAPTURE_BELOW:
        photo_store.capture(store(CAPTURE_BUCKET), photo, prediction, logs.request_id.get())


@of_any_model("/classify", "POST", photo_request.CONTENT_TYPES)
def classify(name: str | None = None) -> dict[str, Any]:
    """Name the category of a photo.

    Body: JSON {"image": "<base64 or data URL>"}, the photo's bytes, a multipart form with the field
    file, or a data URL as text. Query, or JSON: top_k, embedding, heatmap.
    """
    started = time.perf_counter()
    request = app.current_request
    content_type = request.headers.get("content-type", "")
    photo = photo_request.read_photo(request.raw_body, content_type)
    options = classify_options.read_options(request.raw_body, content_type, request.query_params)
    prediction = ask(asked_model(name), photo, options.attributes)
    return replies.classification(
        prediction,
        options=options,
        request_id=logs.request_id.get(),
        total_ms=(time.perf_counter() - started) * 1000,
    )


@of_any_model("/", "POST", photo_request.TEXT_TYPES)
def classify_data_url(name: str | None = None) -> dict[str, Any]:
    """Answer the marketplace's client: a data URL in, every class's probability out."""
    photo = photo_request.read_data_url(app.current_request.raw_body)
    return replies.by_index(ask(asked_model(name), photo))


@of_any_model("/process_batch", "POST", (JSON, photo_request.TEXT))
def process_batch(name: str | None = None) -> dict[str, Any]:
    """Answer the refund department's client: photos in, the numbers of their classes out."""
    request = app.current_request
    context = app.lambda_context
    deadline = batch.Deadline.of(
        context.get_remaining_time_in_millis() if context else None,
        request.context.get("requestTimeEpoch"),
    )
    in_place = batch.read_bad_photos(request.query_params)
    detailed = batch.read_details(request.query_params)
    model = asked_model(name)
    outcomes = batch.classify_all(
        batch.read_images(request.raw_body),
        functools.partial(ask_many, model),
        deadline,
        model.concurrency,
    )
    return replies.class_numbers(
        outcomes if in_place else batch.insist(outcomes), detailed=detailed
    )


@of_any_model("/predict", "POST", (photo_request.MULTIPART,))
def predict(name: str | None = None) -> dict[str, Any]:
    """Answer Cdiscount's client: a product's photo in, its category's id and levels out."""
    started = time.perf_counter()
    request = app.current_request
    photo = photo_request.read_photo(request.raw_body, request.headers.get("content-type", ""))
    model = asked_model(name)
    prediction = ask(model, photo)
    tree = replies.category_tree(model.card(prediction.model_version))
    total_ms = (time.perf_counter() - started) * 1000
    return replies.product_category(prediction, tree, total_ms=total_ms)


@of_any_model("/feedback", "POST", (JSON,))
def give_feedback(name: str | None = None) -> dict[str, Any]:
    """Keep a photo as training data, in the category that a person says it shows."""
    if not FEEDBACK_BUCKET:
        raise FeedbackOffError(
            "this deployment takes no feedback", hint="the operator switches it on: --feedback"
        )
    said = feedback.read_feedback(app.current_request.raw_body)
    kept = store(FEEDBACK_BUCKET)
    return feedback.keep_feedback(said, asked_model(name), kept, logs.request_id.get())


@of_any_model("/categories", "GET")
def categories(name: str | None = None) -> dict[str, Any]:
    """List the categories and the model that tells them apart."""
    return replies.categories(asked_model(name).describe(), takes_feedback=bool(FEEDBACK_BUCKET))


@of_any_model("/health", "GET")
def health(name: str | None = None) -> dict[str, Any]:
    """Say whether the model's endpoint answers."""
    return replies.health(asked_model(name).describe())


@app.route("/models", methods=["GET"], content_types=[])  # type: ignore[untyped-decorator]  # Chalice's hide types
@edge.answering
def list_models() -> dict[str, Any]:
    """List the models that answer side by side."""
    return replies.models(list(models.read_models(ENDPOINT_NAME, MODELS)))


def description() -> dict[str, Any]:
    """The OpenAPI document of this deployment."""
    return openapi.document(list(models.read_models(ENDPOINT_NAME, MODELS)))


@app.route("/openapi.json", methods=["GET"], content_types=[])  # type: ignore[untyped-decorator]  # as above
@edge.answering
def describe_api() -> dict[str, Any]:
    """Describe the API for programs."""
    return description()


@app.route("/docs", methods=["GET"], content_types=[])  # type: ignore[untyped-decorator]  # as above
def show_docs() -> Response:
    """Describe the API for people."""
    return Response(docs_page.render(description()), headers=dict(docs_page.HEADERS))


@app.route("/", methods=["GET"], content_types=[])  # type: ignore[untyped-decorator]  # as above
@edge.answering
def greet() -> dict[str, Any]:
    """Greet, and say where to go on."""
    return replies.greeting()
