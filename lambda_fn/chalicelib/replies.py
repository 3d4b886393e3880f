"""What the API answers: a prediction, a model card or an error, each worded as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .contracts import BELOW_THRESHOLD, NO_VERDICT, SnapshelfError
from .errors import BadRequestError
from .photo_request import DEFAULT_TOP_K

if TYPE_CHECKING:
    from .endpoint import Prediction


def classification(
    prediction: Prediction, *, top_k: int | None, request_id: str, total_ms: float
) -> dict[str, Any]:
    """The best `top_k` categories, best first, and the verdict; `reason` says why it is none.

    Raises:
        BadRequestError: `top_k` is more than there are categories.
    """
    count = len(prediction.labels)
    if top_k is not None and top_k > count:
        raise BadRequestError(
            f"top_k={top_k}: expected 1 to {count}, the number of categories",
            hint="GET /categories lists them",
        )
    ranked = sorted(
        zip(prediction.labels, prediction.probabilities, strict=True), key=lambda pair: -pair[1]
    )
    verdict, reason = _verdict(prediction, *ranked[0])
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
    }


def _verdict(prediction: Prediction, best: str, probability: float) -> tuple[str, str | None]:
    """The endpoint's own, or what the threshold says where it gives none."""
    if prediction.verdict is not None:
        return prediction.verdict, prediction.reason
    if probability >= prediction.threshold:
        return best, None
    return NO_VERDICT, BELOW_THRESHOLD


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
