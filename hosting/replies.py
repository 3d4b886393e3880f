"""What the endpoint answers, by the Accept header."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import JSON, JSON_LINES, SnapshelfError
from hosting.options import NOTHING_MORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hosting.model import Answer, Model
    from hosting.options import Options


class AcceptError(SnapshelfError):
    """No type that the client accepts can be answered."""

    code = "not_acceptable"
    status = 406


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an Accept header asks for.

    Attributes:
        lines: `application/jsonlines` in place of JSON.
        verbose: labels, verdict and more beside the probabilities.
        top_k: how many of the best classes are told; None for all, in class order.
    """

    lines: bool
    verbose: bool
    top_k: int | None = None


def encode(
    model: Model,
    answer: Answer,
    accept: str,
    options: Options = NOTHING_MORE,
    *,
    milliseconds: float,
    batch: bool = False,
) -> tuple[str, bytes]:
    """The answer in the first accepted type that is offered: (content type, body).

    `application/json`: the bare array of probabilities, as SageMaker's built-in algorithm; in batch
    transform `{"prediction": [...]}`, as the same.
    `application/jsonlines`: `{"prediction": [...]}` on a line.
    `;verbose` behind either: labels beside them, as SageMaker JumpStart's image models; and
    where the artifact is calibrated the verdict with its reason, thresholds in class order and the
    photo's energy; of a model of several categories a photo also `predicted_labels`, all that reach
    their thresholds. With `;top_k=N` too, the N best classes alone, best first, and `indices`.

    `options` want more than probabilities, and the answer is verbose whether or not it was to be:
    `embedding`, a list of numbers; `heatmap` with `category`, `method` and `png` in base64.

    Raises:
        AcceptError: none of the types in `accept` is offered.
    """
    wanted = read_accept(accept, options)
    if wanted.verbose:
        document = _verbose(model, answer, milliseconds, wanted.top_k)
        return (JSON_LINES, _json(document) + b"\n") if wanted.lines else (JSON, _json(document))
    if wanted.lines:
        return JSON_LINES, _json({"prediction": answer.probabilities}) + b"\n"
    bare = answer.probabilities
    return JSON, _json({"prediction": bare} if batch else bare)


def encode_many(
    model: Model,
    outcomes: Sequence[Answer | SnapshelfError],
    wanted: Wanted,
    *,
    milliseconds: float,
) -> tuple[str, bytes]:
    """The answers to many photos, in their order: (content type, body).

    JSON: `predictions`, with null for a photo that cannot be answered and `errors` that say why,
    which are left out where there are none. JSON lines: a line a photo, as for one, or
    `{"error": {"status", "code", "message", "hint"}}`.
    """
    documents = [
        each
        if isinstance(each, SnapshelfError)
        else _verbose(model, each, milliseconds, wanted.top_k)
        if wanted.verbose
        else each.probabilities
        for each in outcomes
    ]
    if wanted.lines:
        return JSON_LINES, b"".join(map(_line, documents))
    errors = [
        {"index": at, **_in_place(each)}
        for at, each in enumerate(documents)
        if isinstance(each, SnapshelfError)
    ]
    predictions = [None if isinstance(each, SnapshelfError) else each for each in documents]
    return JSON, _json({"predictions": predictions, **({"errors": errors} if errors else {})})


def read_accept(accept: str, options: Options = NOTHING_MORE, *, lines: bool = False) -> Wanted:
    """The first accepted type that is offered.

    Args:
        accept: the header.
        options: of the request; their `top_k` is the same as the header's, and goes before it.
        lines: whether whoever accepts anything gets JSON lines.

    Raises:
        AcceptError: there is none, or `top_k` is no whole number of at least 1.
    """
    for name, parameters in _parse(accept):
        if name in (JSON, JSON_LINES, "*/*", "application/*"):
            as_lines = name == JSON_LINES or (lines and name != JSON)
            if not (options or "verbose" in parameters):
                return Wanted(as_lines, verbose=False)
            return Wanted(as_lines, verbose=True, top_k=options.top_k or _top_k(parameters))
    raise AcceptError(
        f"Accept: {accept}: not offered", hint=f"{JSON}, {JSON};verbose and {JSON_LINES} are"
    )


def describe_error(error: SnapshelfError) -> dict[str, str]:
    """What a client is told of an error."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _top_k(parameters: Sequence[str]) -> int | None:
    """The parameter `top_k`, 1 or more; None where it is not given."""
    given = [text for text in parameters if text.startswith("top_k=")]
    if not given:
        return None
    digits = given[0].removeprefix("top_k=")
    if not (digits.isascii() and digits.isdecimal() and int(digits[:9]) > 0):
        raise AcceptError(
            f"Accept: {given[0][:40]}: expected a whole number of 1 or more",
            hint=f"{JSON};verbose;top_k=5, or leave top_k out to have all classes",
        )
    return int(digits[:9])


def _verbose(
    model: Model, answer: Answer, milliseconds: float, top_k: int | None = None
) -> dict[str, Any]:
    probabilities = answer.probabilities
    classes = range(len(probabilities))
    best = max(classes, key=probabilities.__getitem__)
    own = model.trust.thresholds.get(model.classes[best])
    told = sorted(classes, key=lambda at: -probabilities[at])[:top_k] if top_k else [*classes]
    labels = [model.classes[at] for at in told]
    reply = {
        "probabilities": [probabilities[at] for at in told],
        "labels": labels,
        **({"indices": told} if top_k else {}),
        "predicted_label": model.classes[best],
        "threshold": model.threshold if own is None else own,
        "model_version": model.version,
        "model_latency_ms": round(milliseconds, 3),
    }
    trusted = _trusted(model, answer, labels) if model.trust.fitted else {}
    return reply | trusted | _asked_for(answer)


def _asked_for(answer: Answer) -> dict[str, Any]:
    """What most requests do not want."""
    more: dict[str, Any] = {}
    if answer.embedding is not None:
        # The shortest digits that say the same float32, half of those that a float64 has.
        more["embedding"] = [float(str(value)) for value in answer.embedding]
    if answer.heatmap is not None:
        png = base64.b64encode(answer.heatmap.png).decode()
        shown = {"category": answer.heatmap.category, "method": answer.heatmap.method}
        more["heatmap"] = {**shown, "png": png}
    return more


def _trusted(model: Model, answer: Answer, labels: Sequence[str]) -> dict[str, Any]:
    """What an artifact of old cannot tell."""
    verdict = model.verdict(answer)
    thresholds = model.trust.thresholds
    several = {"predicted_labels": model.named(answer)} if model.multi_label else {}
    return {
        "verdict": verdict.category,
        "reason": verdict.reason,
        "thresholds": [thresholds.get(name, model.threshold) for name in labels],
        "energy": answer.energy,
        **several,
    }


def _in_place(error: SnapshelfError) -> dict[str, Any]:
    """Of one photo of many: with the status that it would have had alone."""
    return {"status": error.status, **describe_error(error)}


def _line(document: Any) -> bytes:
    if isinstance(document, SnapshelfError):
        return _json({"error": _in_place(document)}) + b"\n"
    return _json(document if isinstance(document, dict) else {"prediction": document}) + b"\n"


def _parse(accept: str) -> list[tuple[str, list[str]]]:
    """Media types in the order given, each with its parameters; nothing given accepts all."""
    types = []
    for part in (accept or "*/*").lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        types.append((name, parameters))
    return types


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
