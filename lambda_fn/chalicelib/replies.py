"""What the API answers: a prediction, a model card or an error, each worded as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .contracts import BELOW_THRESHOLD, NO_VERDICT, EndpointError, SnapshelfError
from .errors import BadRequestError, NoCategoryIdsError
from .photo_request import DEFAULT_TOP_K

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .classify_options import ClassifyOptions
    from .endpoint import Prediction


def classification(
    prediction: Prediction, *, options: ClassifyOptions, request_id: str, total_ms: float
) -> dict[str, Any]:
    """The best `top_k` categories, best first, and the verdict; `reason` says why it is none.

    Raises:
        BadRequestError: `top_k` is more than there are categories.
        EndpointError: the endpoint did not tell what it was asked for.
    """
    count, top_k = len(prediction.labels), options.top_k
    if top_k is not None and top_k > count:
        raise BadRequestError(
            f"top_k={top_k}: expected 1 to {count}, the number of categories",
            hint="GET /categories lists them",
        )
    ranked = sorted(
        zip(prediction.labels, prediction.probabilities, strict=True), key=lambda pair: -pair[1]
    )
    verdict, reason = verdict_of(prediction)
    times = {"endpoint": prediction.endpoint_ms, "total": total_ms}
    if prediction.model_ms is not None:
        times["model"] = prediction.model_ms
    return {
        "categories": [
            {"category": label, "probability": value}
            for label, value in ranked[: top_k or DEFAULT_TOP_K]
        ],
        "verdict": verdict,
        "reason": reason,
        "threshold": prediction.threshold,
        "model_version": prediction.model_version,
        "request_id": request_id,
        "times_ms": {name: round(value, 2) for name, value in times.items()},
        **_asked_for(prediction, options),
    }


def _asked_for(prediction: Prediction, options: ClassifyOptions) -> dict[str, Any]:
    asked = {
        "embedding": (options.embedding, prediction.embedding),
        "heatmap": (options.heatmap, prediction.heatmap),
    }
    for name, (wanted, value) in asked.items():
        if wanted and value is None:
            raise EndpointError(
                f"the endpoint gave no {name}: expected one, as it was asked for",
                hint=f"leave {name} out, or deploy the model again",
            )
    return {name: value for name, (wanted, value) in asked.items() if wanted}


def verdict_of(prediction: Prediction) -> tuple[str, str | None]:
    """The endpoint's own, or what the threshold says where it gives none; and why it is none."""
    if prediction.verdict is not None:
        return prediction.verdict, prediction.reason
    if prediction.best_probability >= prediction.threshold:
        return prediction.best, None
    return NO_VERDICT, BELOW_THRESHOLD


def by_index(prediction: Prediction) -> dict[str, Any]:
    """The marketplace's reply: every probability under its class's number, and the best category.

    Its clients know no "none": they are told the best, however sure the model is.
    """
    numbered = {str(at): value for at, value in enumerate(prediction.probabilities)}
    return {**numbered, "verdict": prediction.best}


def class_numbers(
    outcomes: Sequence[Prediction | SnapshelfError], *, detailed: bool = False
) -> dict[str, Any]:
    """The refund department's reply: the number of each photo's best class, in order.

    A photo without prediction has null, and says why in `errors`, which is left out where all have.
    With `detailed`, `details` has for each photo what else there is to say, or null likewise.
    """
    numbers = [None if isinstance(each, SnapshelfError) else each.best_index for each in outcomes]
    errors = [
        {"index": at, "code": each.code, "message": each.message, "hint": each.hint}
        for at, each in enumerate(outcomes)
        if isinstance(each, SnapshelfError)
    ]
    details = {"details": [_detail(each) for each in outcomes]} if detailed else {}
    return {"predictions": numbers, **details, **({"errors": errors} if errors else {})}


def _detail(outcome: Prediction | SnapshelfError) -> dict[str, Any] | None:
    """The best class by name, how probable it is, and the verdict."""
    if isinstance(outcome, SnapshelfError):
        return None
    verdict, reason = verdict_of(outcome)
    return {
        "label": outcome.best,
        "confidence": outcome.best_probability,
        "verdict": verdict,
        "reason": reason,
    }


def product_category(
    prediction: Prediction, tree: Mapping[str, Sequence[str]], *, total_ms: float
) -> dict[str, Any]:
    """Cdiscount's reply: the best category's id and its three levels.

    Args:
        prediction: its labels are category ids in digits.
        tree: the card's, levels by category id from the top down; levels that it lacks are "".
        total_ms: since the request came.

    Raises:
        NoCategoryIdsError: the model's categories are no ids.
    """
    if not (prediction.best.isascii() and prediction.best.isdecimal()):
        raise NoCategoryIdsError(
            f"category {prediction.best!r} is no number: expected a model of category ids",
            hint="ask POST /classify, or the model of the catalogue below /models/NAME",
        )
    levels = [*tree.get(prediction.best, ()), "", "", ""]
    model_ms = prediction.endpoint_ms if prediction.model_ms is None else prediction.model_ms
    return {
        "model_response": {
            "category_index": str(prediction.best_index),
            "confidence": f"{prediction.best_probability:.2f}",
            "category_id": int(prediction.best),
            **{f"category_l{at + 1}": str(levels[at]) for at in range(3)},
        },
        "response_time": f"{total_ms / 1000:.4f}s",
        "model_inference_time": f"{model_ms / 1000:.4f}s",
    }


def category_tree(card: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The card's tree; empty where its categories are flat.

    Raises:
        EndpointError: it is no tree.
    """
    tree = card.get("tree") or {}
    if not isinstance(tree, dict) or not all(isinstance(each, list) for each in tree.values()):
        raise EndpointError(
            "the model card's tree is none: expected {category: [level, ...]}",
            hint="train the model again from records with a category tree",
        )
    return tree


def categories(card: dict[str, Any]) -> dict[str, Any]:
    """The categories in class order, and the model that tells them apart."""
    return {
        "categories": card["classes"],
        "model_version": card.get("version"),
        "network": card.get("network"),
        "threshold": card.get("threshold"),
        "photo": card.get("photo"),
        "metrics": card.get("metrics"),
    }


def greeting() -> dict[str, Any]:
    """What a person who opens the API's address is told."""
    return {
        "message": "Welcome to Snapshelf: send a photo to POST /classify, "
        "or read what else there is at GET /docs"
    }


def models(names: Sequence[str]) -> dict[str, Any]:
    """The names of the deployment's models, each with the path below which it answers."""
    return {"models": [{"name": name, "path": f"/models/{name}"} for name in names]}


def health(card: dict[str, Any]) -> dict[str, Any]:
    """That the endpoint answers, and with which model."""
    return {
        "status": "ok",
        "model_version": card.get("version"),
        "categories": len(card["classes"]),
    }


def failure(error: SnapshelfError, *, request_id: str) -> dict[str, Any]:
    """An error as every route words it."""
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "request_id": request_id,
    }
