"""What `/invocations` answers, without HTTP: for the container, and for whoever holds the model."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import DESCRIBE, JSON, SnapshelfError
from hosting.batch import answer_all
from hosting.bodies import Form, read_body
from hosting.model import Answer, Model
from hosting.options import NOTHING_MORE, Options
from hosting.replies import describe_error, encode, encode_many, read_accept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hosting.batch import Outcome
    from hosting.bodies import Body

logger = logging.getLogger(__name__)


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
        body: a photo, or many.
        content_type: see `hosting.bodies.read_body`.
        accept: see `hosting.replies.encode`.
        attributes: CustomAttributes; DESCRIBE asks for the model card, whatever the body; others
            are read by `hosting.options`.
    """
    try:
        if attributes == DESCRIBE:
            return describe(model)
        start = time.perf_counter()
        options = Options.parse(attributes)
        asked = read_body(body, content_type)
        outcomes = answer_all(model, asked.photos, options)
        return answer(model, asked, outcomes, accept, options, milliseconds=since(start))
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


def answer(
    model: Model,
    asked: Body,
    outcomes: Sequence[Outcome],
    accept: str,
    options: Options = NOTHING_MORE,
    *,
    milliseconds: float,
    batch: bool = False,
) -> Reply:
    """What the model says of the photos, in the type that `accept` asks for.

    Args:
        model: loaded.
        asked: what the request held.
        outcomes: of each of its photos.
        accept: see `hosting.replies`.
        options: what else was asked for.
        milliseconds: that the answers took.
        batch: whether answers are those of batch transform.

    Raises:
        SnapshelfError: no type that is offered; of a single photo also what is wrong with it.
        Exception: a photo met a bug.
    """
    known = [_known(outcome) for outcome in outcomes]
    if asked.form is not Form.ONE:
        wanted = read_accept(accept, options, lines=asked.form is Form.LINES)
        for each in known:
            if isinstance(each, SnapshelfError):
                _log(each)
        return Reply(200, *encode_many(model, known, wanted, milliseconds=milliseconds))
    if isinstance(known[0], SnapshelfError):
        raise known[0]
    return Reply(
        200, *encode(model, known[0], accept, options, milliseconds=milliseconds, batch=batch)
    )


def since(start: float) -> float:
    """Milliseconds since `start`, of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000


def refusal(error: SnapshelfError) -> Reply:
    """The reply that tells a client what is wrong with the request, or with the model."""
    _log(error)
    return _json(error.status, describe_error(error))


def failure(error: Exception) -> Reply:
    """The reply for a bug, whose traceback goes to the log."""
    logger.error("prediction failed", exc_info=error)
    return _json(
        500,
        {"code": "internal", "message": "the prediction failed", "hint": "see the endpoint's log"},
    )


def _log(error: SnapshelfError) -> None:
    """Tell the operator of what is not the client's fault."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error(error.message)


def _known(outcome: Outcome) -> Answer | SnapshelfError:
    """An answer or a fault that clients are told; a bug is raised."""
    if isinstance(outcome, Answer | SnapshelfError):
        return outcome
    raise outcome


def _json(status: int, document: Any) -> Reply:
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Reply(status, JSON, body.encode())
