"""What the endpoint answers, by the Accept header."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contracts import JSON, JSON_LINES, SnapshelfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hosting.model import Model


class AcceptError(SnapshelfError):
    """No type that the client accepts can be answered."""

    code = "not_acceptable"
    status = 406


def encode(
    model: Model, probabilities: Sequence[float], accept: str, *, milliseconds: float
) -> tuple[str, bytes]:
    """The answer in the first accepted type that is offered: (content type, body).

    `application/json`: the bare array of probabilities, as SageMaker's built-in algorithm.
    `application/jsonlines`: `{"prediction": [...]}` on a line, as the same in batch transform.
    `application/json;verbose`: labels beside them, as SageMaker JumpStart's image models.

    Raises:
        AcceptError: none of the types in `accept` is offered.
    """
    for name, parameters in _parse(accept):
        if name in (JSON, "*/*", "application/*"):
            if "verbose" in parameters:
                return JSON, _json(_verbose(model, probabilities, milliseconds))
            return JSON, _json(probabilities)
        if name == JSON_LINES:
            return JSON_LINES, _json({"prediction": probabilities}) + b"\n"
    raise AcceptError(
        f"Accept: {accept}: not offered", hint=f"{JSON}, {JSON};verbose and {JSON_LINES} are"
    )


def _verbose(model: Model, probabilities: Sequence[float], milliseconds: float) -> dict[str, Any]:
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return {
        "probabilities": probabilities,
        "labels": model.classes,
        "predicted_label": model.classes[best],
        "threshold": model.threshold,
        "model_version": model.version,
        "model_latency_ms": round(milliseconds, 3),
    }


def _parse(accept: str) -> list[tuple[str, list[str]]]:
    """Media types in the order given, each with its parameters; nothing given accepts all."""
    types = []
    for part in (accept or "*/*").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        types.append((name, parameters))
    return types


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
