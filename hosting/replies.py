"""What the endpoint answers, by the Accept header."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contracts import JSON, JSON_LINES, SnapshelfError

if TYPE_CHECKING:
    from hosting.model import Answer, Model


class AcceptError(SnapshelfError):
    """No type that the client accepts can be answered."""

    code = "not_acceptable"
    status = 406


def encode(
    model: Model, answer: Answer, accept: str, *, milliseconds: float, batch: bool = False
) -> tuple[str, bytes]:
    """The answer in the first accepted type that is offered: (content type, body).

    `application/json`: the bare array of probabilities, as SageMaker's built-in algorithm; in batch
    transform `{"prediction": [...]}`, as the same.
    `application/jsonlines`: `{"prediction": [...]}` on a line.
    `application/json;verbose`: labels beside them, as SageMaker JumpStart's image models; and
    where the artifact is calibrated the verdict with its reason, thresholds in class order and the
    photo's energy.

    Raises:
        AcceptError: none of the types in `accept` is offered.
    """
    for name, parameters in _parse(accept):
        if name in (JSON, "*/*", "application/*"):
            if "verbose" in parameters:
                return JSON, _json(_verbose(model, answer, milliseconds))
            bare = answer.probabilities
            return JSON, _json({"prediction": bare} if batch else bare)
        if name == JSON_LINES:
            return JSON_LINES, _json({"prediction": answer.probabilities}) + b"\n"
    raise AcceptError(
        f"Accept: {accept}: not offered", hint=f"{JSON}, {JSON};verbose and {JSON_LINES} are"
    )


def _verbose(model: Model, answer: Answer, milliseconds: float) -> dict[str, Any]:
    probabilities = answer.probabilities
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    own = model.trust.thresholds.get(model.classes[best])
    reply = {
        "probabilities": probabilities,
        "labels": model.classes,
        "predicted_label": model.classes[best],
        "threshold": model.threshold if own is None else own,
        "model_version": model.version,
        "model_latency_ms": round(milliseconds, 3),
    }
    return reply | _trusted(model, answer) if model.trust.fitted else reply


def _trusted(model: Model, answer: Answer) -> dict[str, Any]:
    """What an artifact of old cannot tell."""
    verdict = model.verdict(answer)
    thresholds = model.trust.thresholds
    return {
        "verdict": verdict.category,
        "reason": verdict.reason,
        "thresholds": [thresholds.get(name, model.threshold) for name in model.classes],
        "energy": answer.energy,
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
