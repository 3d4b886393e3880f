"""What `/invocations` answers, without HTTP: for the container, and for whoever holds the model."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import DESCRIBE, ENDPOINT_PAYLOAD_BYTES, JSON, PHOTO_TYPES, SnapshelfError
from hosting.model import Model
from hosting.replies import encode

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class ContentTypeError(SnapshelfError):
    """The body is of a type that this model does not read."""

    code = "unsupported_media_type"
    status = 415


class PayloadError(SnapshelfError):
    """The body is larger than InvokeEndpoint carries."""

    code = "payload_too_large"
    status = 413


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status, the body and its type."""

    status: int
    content_type: str
    body: bytes


def invoke(
    model: Model, body: bytes, *, content_type: str = "", accept: str = "", attributes: str = ""
) -> Reply:
    """Answer one request, errors included.

    Args:
        model: loaded.
        body: one photo's bytes.
        content_type: one of PHOTO_TYPES, or any other image/*.
        accept: see `hosting.replies.encode`.
        attributes: CustomAttributes; DESCRIBE asks for the model card, whatever the body.
    """
    try:
        if attributes == DESCRIBE:
            return describe(model)
        check_type(content_type)
        check_size(len(body))
        return classify(model, body, accept)
    except SnapshelfError as error:
        return refusal(error)
    except Exception as error:  # noqa: BLE001 (a bug is told in the log, the client only that)
        return failure(error)


def open_model(model_dir: str, threads: int) -> Callable[[bytes, str, str, str], tuple[Any, ...]]:
    """Load an artifact; the function takes body, content type, Accept and CustomAttributes.

    It answers status, content type and body. Only plain values cross, so that a caller needs to
    know this module by name alone.

    Args:
        model_dir: the extracted model.tar.gz.
        threads: for one prediction.

    Raises:
        ArtifactError: as `Model.load`.
    """
    model = Model.load(Path(model_dir), threads=threads)

    def ask(body: bytes, content_type: str, accept: str, attributes: str) -> tuple[Any, ...]:
        reply = invoke(model, body, content_type=content_type, accept=accept, attributes=attributes)
        return reply.status, reply.content_type, reply.body

    return ask


def describe(model: Model) -> Reply:
    """The model card."""
    return _json(200, model.card)


def classify(model: Model, photo: bytes, accept: str, *, batch: bool = False) -> Reply:
    """What the model says of the photo, in the type that `accept` asks for.

    Args:
        model: loaded.
        photo: its bytes.
        accept: see `hosting.replies.encode`.
        batch: whether answers are those of batch transform.

    Raises:
        SnapshelfError: no photo, or no type that is offered.
    """
    start = time.perf_counter()
    answer = model.answer(photo)
    milliseconds = (time.perf_counter() - start) * 1000
    return Reply(200, *encode(model, answer, accept, milliseconds=milliseconds, batch=batch))


def check_type(header: str) -> None:
    """Refuse a body that says it is no photo.

    Raises:
        ContentTypeError: neither one of PHOTO_TYPES nor another image/*.
    """
    name = header.partition(";")[0].strip().lower()
    if name not in PHOTO_TYPES and not name.startswith("image/"):
        raise ContentTypeError(
            f"Content-Type: {header or '(none)'}: not read here",
            hint=f"send a photo's bytes as {', '.join(PHOTO_TYPES)}",
        )


def check_size(size: int) -> None:
    """Refuse a body of more bytes than InvokeEndpoint carries.

    Raises:
        PayloadError: it is larger.
    """
    if size > ENDPOINT_PAYLOAD_BYTES:
        raise PayloadError(
            f"the body exceeds {ENDPOINT_PAYLOAD_BYTES:,} bytes", hint="send a smaller photo"
        )


def refusal(error: SnapshelfError) -> Reply:
    """The reply that tells a client what is wrong with the request, or with the model."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # not the client's fault
        logger.error(error.message)
    document = {"code": error.code, "message": error.message, "hint": error.hint}
    return _json(error.status, document)


def failure(error: Exception) -> Reply:
    """The reply for a bug, whose traceback goes to the log."""
    logger.error("prediction failed", exc_info=error)
    return _json(
        500,
        {"code": "internal", "message": "the prediction failed", "hint": "see the endpoint's log"},
    )


def _json(status: int, document: Any) -> Reply:
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Reply(status, JSON, body.encode())
