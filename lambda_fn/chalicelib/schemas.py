"""The API's JSON documents as JSON Schema, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from .errors import UnsupportedMediaTypeError
from .feedback import OTHER

Schema = dict[str, Any]


def text(description: str = "", **more: Any) -> Schema:
    """A string."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def number(description: str = "", **more: Any) -> Schema:
    """A number."""
    return {"type": "number", **({"description": description} if description else {}), **more}


def whole(description: str = "", **more: Any) -> Schema:
    """A whole number, 0 or more."""
    return number(description, **{"type": "integer", "minimum": 0, **more})


def array(items: Schema, description: str) -> Schema:
    """A list."""
    return {"type": "array", "items": items, "description": description}


def record(members: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object, all of whose members are there but for the optional ones."""
    required = [name for name in members if name not in optional]
    return {"type": "object", "properties": members, "required": required}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def of(name: str) -> Schema:
    """One of SCHEMAS, referred to."""
    return {"$ref": f"#/components/schemas/{name}"}


TOP_K = whole("How many categories to list; 5 where it is left out.", minimum=1)
SWITCH = {"type": "boolean", "description": "Whether to tell this too.", "default": False}

_PROBABILITY = number(minimum=0, maximum=1)
_VERSION = text("The model's version, 12 hexadecimal digits.")
_REQUEST_ID = text("The request's id, which its log lines carry and X-Request-Id tells.")
_IMAGE = text("Base64, or a data URL.", examples=["data:image/jpeg;base64,/9j/4AAQ..."])
_SECONDS = text(pattern=r"^[0-9]+\.[0-9]{4}s$", examples=["0.0360s"])

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {
            "code": text("Stable, for programs.", examples=[UnsupportedMediaTypeError.code]),
            "message": text("What is wrong, and what was expected."),
            "hint": text("The mend."),
            "request_id": _REQUEST_ID,
        }
    ),
    "Photo": record(
        {"image": _IMAGE, "top_k": nullable(TOP_K), "embedding": SWITCH, "heatmap": SWITCH},
        optional=("top_k", "embedding", "heatmap"),
    ),
    "Form": record({"file": {"type": "string", "contentMediaType": "image/*"}}),
    "Classification": record(
        {
            "categories": array(
                record({"category": text(), "probability": _PROBABILITY}), "Best first."
            ),
            "verdict": text('The best category, or "none".'),
            "reason": nullable(text("Why the verdict is none.")),
            "threshold": number("What the best category must reach."),
            "model_version": _VERSION,
            "request_id": _REQUEST_ID,
            "times_ms": {"type": "object", "additionalProperties": number()},
            "embedding": array(number(), "The network's last features, if asked for."),
            "heatmap": record(
                {
                    "category": text("The most probable one, of which the map speaks."),
                    "method": text(examples=["activation map", "occlusion"]),
                    "png": text("What the network saw, the map over it.", contentEncoding="base64"),
                }
            ),
        },
        optional=("embedding", "heatmap"),
    ),
    "ByIndex": {
        "type": "object",
        "description": "Every class's probability under its number, and the best category.",
        "properties": {"verdict": text()},
        "patternProperties": {"^[0-9]+$": _PROBABILITY},
        "required": ["0", "verdict"],
        "additionalProperties": False,
    },
    "Batch": record({"images": array(_IMAGE, "Any number that fits into 6 MB.")}),
    "Predictions": record(
        {
            "predictions": array(nullable(whole()), "The number of each photo's best class."),
            "details": array(
                nullable(
                    record(
                        {
                            "label": text("The best class."),
                            "confidence": _PROBABILITY,
                            "verdict": text('The best class, or "none".'),
                            "reason": nullable(text("Why the verdict is none.")),
                        }
                    )
                ),
                "What else is said of each photo, where the query asks for it.",
            ),
            "errors": array(
                record({"index": whole(), "code": text(), "message": text(), "hint": text()}),
                "What is wrong with photos whose prediction is null.",
            ),
        },
        optional=("details", "errors"),
    ),
    "ProductCategory": record(
        {
            "model_response": record(
                {
                    "category_index": text(pattern="^[0-9]+$"),
                    "confidence": text(pattern=r"^[01]\.[0-9]{2}$"),
                    "category_id": whole(),
                    "category_l1": text(),
                    "category_l2": text(),
                    "category_l3": text(),
                }
            ),
            "response_time": _SECONDS,
            "model_inference_time": _SECONDS,
        }
    ),
    "Feedback": record(
        {
            "image": _IMAGE,
            "category": text(f"One of the model's categories, or {OTHER!r}.", maxLength=100),
            "consent": {"const": True, "description": "The person agreed to the photo's use."},
            "predicted": text("What the person was shown.", maxLength=100),
            "model_version": text("Of the model that said so.", maxLength=64),
        },
        optional=("predicted", "model_version"),
    ),
    "Kept": record(
        {
            "stored": text("The object's key."),
            "category": text(),
            "predicted": text("What the model says of it now."),
            "model_version": _VERSION,
            "request_id": _REQUEST_ID,
        }
    ),
    "Categories": record(
        {
            "categories": array(text(), "In class order."),
            "model_version": nullable(_VERSION),
            "network": nullable(text()),
            "threshold": nullable(number()),
            "photo": {"description": "Size and fit of a prepared photo, and more."},
            "metrics": {"description": "What the model was measured at."},
        }
    ),
    "Health": record(
        {"status": {"const": "ok"}, "model_version": nullable(_VERSION), "categories": whole()}
    ),
    "Models": record(
        {"models": array(record({"name": text(), "path": text()}), "The default first.")}
    ),
    "Greeting": record({"message": text()}),
}
