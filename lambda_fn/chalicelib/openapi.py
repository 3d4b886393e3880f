"""The API described: one table of its operations, and the OpenAPI document made from it.

Source: OpenAPI specification 3.1. A test holds the table to the routes that Chalice knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contracts import JSON
from .photo_request import MULTIPART, PHOTO_BODY_TYPES, TEXT, TEXT_TYPES
from .schemas import SCHEMAS, SWITCH, TOP_K, of, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HTML = "text/html"
OF_A_MODEL = "/models/{name}"
_VERSION = "1.0.0"

_DATA_URL = text("A data URL.", pattern="^data:[^,]*;base64,")
_PHOTO_BODIES: dict[str, Any] = {name: {} for name in PHOTO_BODY_TYPES}
_FAULTS = {
    "400": "The body, the query or the photo is not as expected.",
    "404": "There is no such model, or this deployment takes no feedback.",
    "409": "The model's categories are no ids.",
    "413": "The photo is too large.",
    "415": "The type of the body, or of the photo, is not taken.",
    "429": "The endpoint has too many requests; Retry-After tells when to come back.",
    "500": "A failure inside; the log tells of it under the request's id.",
    "502": "The endpoint answered something else than was agreed.",
    "503": "The endpoint or the storage is not there; Retry-After may tell when to come back.",
    "504": "The endpoint did not answer in time.",
}
_ENDPOINTS_FAULTS = ("404", "429", "500", "502", "503", "504")
_PHOTOS_FAULTS = ("400", "413", "415", *_ENDPOINTS_FAULTS)


@dataclass(frozen=True, slots=True)
class Operation:
    """A route and what it says.

    Attributes:
        bodies: schema by content type; empty where there is no body.
        reply: the name of the reply's schema, or HTML for a page.
        query: parameters' schemas by name.
        faults: statuses of replies that are an Error.
        of_any_model: whether it stands below OF_A_MODEL too.
    """

    method: str
    path: str
    name: str
    summary: str
    reply: str
    bodies: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None
    faults: Sequence[str] = ()
    of_any_model: bool = True


OPERATIONS = (
    Operation(
        "POST",
        "/classify",
        "classify",
        "Name the category of a photo.",
        "Classification",
        {JSON: of("Photo"), TEXT: _DATA_URL, MULTIPART: of("Form"), **_PHOTO_BODIES},
        {"top_k": TOP_K, "embedding": SWITCH, "heatmap": SWITCH},
        _PHOTOS_FAULTS,
    ),
    Operation(
        "POST",
        "/process_batch",
        "processBatch",
        "Number the categories of many photos, in their order.",
        "Predictions",
        {JSON: of("Batch"), TEXT: text("The same JSON.")},
        {
            "bad_photos": text(
                "What a photo that cannot be read does: refuse the batch, or be null in it.",
                enum=["refuse", "null"],
            ),
            "details": text("Whether `details` comes along.", enum=["false", "true"]),
        },
        _PHOTOS_FAULTS,
    ),
    Operation(
        "POST",
        "/predict",
        "predict",
        "Name the category id and its levels of a product's photo.",
        "ProductCategory",
        {MULTIPART: of("Form")},
        faults=(*_PHOTOS_FAULTS, "409"),
    ),
    Operation(
        "POST",
        "/",
        "classifyDataUrl",
        "Give every class's probability for the photo of a bare data URL.",
        "ByIndex",
        dict.fromkeys(TEXT_TYPES, _DATA_URL),
        faults=_PHOTOS_FAULTS,
    ),
    Operation(
        "POST",
        "/feedback",
        "giveFeedback",
        "Keep a photo for training, in the category that a person says it shows.",
        "Kept",
        {JSON: of("Feedback")},
        faults=_PHOTOS_FAULTS,
    ),
    Operation(
        "GET",
        "/categories",
        "listCategories",
        "List the categories and the model that tells them apart.",
        "Categories",
        faults=_ENDPOINTS_FAULTS,
    ),
    Operation(
        "GET",
        "/health",
        "checkHealth",
        "Say whether the model answers.",
        "Health",
        faults=_ENDPOINTS_FAULTS,
    ),
    Operation(
        "GET",
        "/models",
        "listModels",
        "List the models that answer side by side.",
        "Models",
        of_any_model=False,
    ),
    Operation("GET", "/", "greet", "Greet.", "Greeting", of_any_model=False),
    Operation(
        "GET", "/docs", "readDocs", "Show this description as a page.", HTML, of_any_model=False
    ),
    Operation(
        "GET",
        "/openapi.json",
        "describeApi",
        "Give this description.",
        "Description",
        of_any_model=False,
    ),
)


def document(models: Sequence[str]) -> dict[str, Any]:
    """The API as an OpenAPI document.

    Its server is ".", the folder that the document itself is served from: what stands before the
    paths (a stage, a domain's base path, the local cloud's own) is known to the client alone.

    Args:
        models: names of the deployment's models, which paths and queries may name.
    """
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, models)
        if each.of_any_model:
            below = model_path(each.path)
            paths.setdefault(below, {})[each.method.lower()] = _of_a_model(each, models)
    described = {**SCHEMAS, "Description": {"type": "object"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Snapshelf",
            "version": _VERSION,
            "description": "Photos in, categories out. Every reply carries X-Request-Id.",
        },
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": described},
    }


def model_path(path: str) -> str:
    """The same path for a model that is named."""
    return f"{OF_A_MODEL}{path}".rstrip("/")


def _operation(each: Operation, models: Sequence[str]) -> dict[str, Any]:
    query = dict(each.query or {})
    if each.of_any_model:
        query["model"] = text("Which model is asked.", enum=list(models))
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in query.items()
    ]
    return _described(each, each.name, parameters)


def _of_a_model(each: Operation, models: Sequence[str]) -> dict[str, Any]:
    named = text(enum=list(models))
    parameters = [
        {"name": "name", "in": "path", "required": True, "schema": named},
        *(
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in (each.query or {}).items()
        ),
    ]
    return _described(each, f"{each.name}OfModel", parameters)


def _described(each: Operation, name: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    good = {HTML: {"schema": text()}} if each.reply == HTML else {JSON: {"schema": of(each.reply)}}
    fault = {JSON: {"schema": of("Error")}}
    replies = {
        "200": {"description": "As asked.", "content": good},
        **{s: {"description": _FAULTS[s], "content": fault} for s in sorted(each.faults)},
    }
    described: dict[str, Any] = {
        "operationId": name,
        "summary": each.summary,
        "parameters": parameters,
        "responses": replies,
    }
    if each.bodies:
        content = {kind: {"schema": schema} for kind, schema in each.bodies.items()}
        described["requestBody"] = {"required": True, "content": content}
    return described
