"""Many photos in one request: read, asked for at once, answered in their order before the deadline.

The refund department's clients send `{"images": ["<base64>", ...]}` and know a whole answer, 400
and 500. Who asks for it has what is wrong with single photos told in their place.
"""

from __future__ import annotations

import contextvars
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .chunks import Chunks
from .contracts import LAMBDA_PAYLOAD_BYTES, PhotoError, SnapshelfError
from .errors import BadRequestError, BatchFailedError, EndpointTimeoutError, PhotoTooLargeError
from .photo_request import Photo, read_base64, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .endpoint import Prediction

logger = logging.getLogger(__name__)

GATEWAY_SECONDS = 29.0
"""API Gateway developer guide, *Quotas for REST APIs*: how long it waits for an integration."""

ANSWERING_SECONDS = 2.0
"""What is left of that for the reply itself, its way back included."""

MAX_IMAGES = 20_000
"""Most photos of one request: what is wrong with each, or what is said of it in detail, still fits
into a reply of 6 MB. Photos of 28 pixels fill a request's 6 MB with fewer.
"""

CONCURRENCY = 8
"""Requests of one batch at an endpoint at once. Beyond, they would wait there in place of here."""

_LONGEST_START = 15.0
"""Seconds from the gateway to the view at most: beyond, the two clocks do not agree."""

Outcome: TypeAlias = "Prediction | SnapshelfError"

_HOW_TO_SEND = 'send {"images": ["<base64>", ...]} as application/json'


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the answer must be on its way, on the clock of `time.monotonic`."""

    at: float

    @classmethod
    def of(cls, remaining_ms: int | None, asked_at_ms: int | None) -> Deadline:
        """The gateway's or the function's own, whichever comes first.

        Args:
            remaining_ms: until Lambda ends the function; None outside of Lambda.
            asked_at_ms: when the gateway had the request, as its `requestTimeEpoch`; None where it
                does not tell. A cold start, and 6 MB on their way, have taken some of its time.
        """
        taken = 0.0 if asked_at_ms is None else time.time() - asked_at_ms / 1000
        left = GATEWAY_SECONDS - min(max(taken, 0.0), _LONGEST_START)
        seconds = left if remaining_ms is None else min(left, remaining_ms / 1000)
        return cls(time.monotonic() + seconds - ANSWERING_SECONDS)

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.at - time.monotonic())


def read_images(body: bytes) -> list[Photo | SnapshelfError]:
    """The photos of a batch in order, or in a photo's place what is wrong with it.

    Raises:
        BadRequestError: no JSON object, no list `images`, or something in it that is no text.
        PhotoTooLargeError: more bytes than Lambda carries, or more than MAX_IMAGES.
    """
    if len(body) > LAMBDA_PAYLOAD_BYTES:
        raise PhotoTooLargeError(
            f"the body has {len(body):,} bytes: expected {LAMBDA_PAYLOAD_BYTES:,} at most",
            hint="send fewer photos at once",
        )
    return [_photo(image) for image in _images_member(body)]


def classify_all(
    photos: Sequence[Photo | SnapshelfError],
    classify: Callable[[Sequence[Photo]], Sequence[Outcome]],
    deadline: Deadline,
    concurrency: int = CONCURRENCY,
) -> list[Outcome]:
    """What the model says of each photo, in order; `concurrency` requests are under way at once.

    What is wrong with a photo stands in its place, as does a fault of the endpoint's. Photos that
    the deadline finds unanswered are given up: nobody would read their answers.

    Args:
        photos: in order, or what is wrong already.
        classify: an outcome for each of some photos that are asked for together.
        deadline: when the answer must be on its way.
        concurrency: threads that ask.
    """
    good = [(at, each) for at, each in enumerate(photos) if not isinstance(each, SnapshelfError)]
    chunks = Chunks(good)
    outcomes: dict[int, Outcome] = {}

    def work() -> None:
        while deadline.seconds_left and (chunk := chunks.take()):
            started = time.monotonic()
            places, asked = zip(*chunk, strict=True)
            outcomes.update(zip(places, classify(asked), strict=True))
            chunks.adapt(len(chunk), time.monotonic() - started)

    pool = ThreadPoolExecutor(concurrency, "batch")
    threads = [  # each with the request's id
        pool.submit(contextvars.copy_context().run, work)
        for _ in range(min(concurrency, len(good)))
    ]
    ended, _ = wait(threads, timeout=deadline.seconds_left)
    pool.shutdown(wait=False, cancel_futures=True)
    for thread in ended:
        thread.result()  # a bug is raised
    answered = outcomes.copy()
    return [
        each if isinstance(each, SnapshelfError) else answered.get(at) or _given_up()
        for at, each in enumerate(photos)
    ]


def insist(outcomes: Sequence[Outcome]) -> list[Prediction]:
    """All predictions, as clients expect who know nothing of single photos' errors.

    Raises:
        BadRequestError: a photo is at fault; the first that is.
        BatchFailedError: the endpoint is; also where a photo is as well.
    """
    faults = [(at, each) for at, each in enumerate(outcomes) if isinstance(each, SnapshelfError)]
    for at, error in faults:
        if not _is_clients(error):
            logger.error("photo %d of %d failed: %s", at, len(outcomes), error.message)
            raise BatchFailedError(
                f"images[{at}]: {error.message}", hint=error.hint or "try again in a moment"
            ) from error
    for at, error in faults:
        raise BadRequestError(
            f"images[{at}]: {error.message}",
            hint=f"{error.hint or _HOW_TO_SEND}; ?bad_photos=null answers the others all the same",
        ) from error
    return [each for each in outcomes if not isinstance(each, SnapshelfError)]


def read_bad_photos(query: Mapping[str, str] | None) -> bool:
    """Whether the query's `bad_photos` asks for null in a bad photo's place (`null`, `refuse`).

    Raises:
        BadRequestError: it is neither.
    """
    hint = "leave it out to have the whole batch refused"
    return _chosen(query, "bad_photos", ("null", "refuse"), hint)


def read_details(query: Mapping[str, str] | None) -> bool:
    """Whether the query's `details` asks for more than the numbers (`true`, `false`).

    Raises:
        BadRequestError: it is neither.
    """
    return _chosen(query, "details", ("true", "false"), "leave it out for the numbers alone")


def _chosen(query: Mapping[str, str] | None, name: str, words: tuple[str, str], hint: str) -> bool:
    """Whether a parameter has the first of two words; the second is meant where it is left out."""
    yes, no = words
    text = (query or {}).get(name, no)
    if text not in words:
        raise BadRequestError(f"{name}={text[:20]!r}: expected {yes} or {no}", hint=hint)
    return text == yes


def _images_member(body: bytes) -> list[str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}", hint=_HOW_TO_SEND) from error
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise BadRequestError('the JSON has no list "images"', hint=_HOW_TO_SEND)
    if len(images) > MAX_IMAGES:
        raise PhotoTooLargeError(
            f"the batch has {len(images):,} images: expected {MAX_IMAGES:,} at most",
            hint="send fewer photos at once",
        )
    for at, image in enumerate(images):
        if not isinstance(image, str):
            shown = json.dumps(image)[:40]
            raise BadRequestError(
                f"images[{at}] is {shown}: expected a base64 string", hint=_HOW_TO_SEND
            )
    return images


def _photo(image: str) -> Photo | SnapshelfError:
    try:
        data = read_base64(image)
        return Photo(data, sniff(data))
    except SnapshelfError as error:
        return error


def _given_up() -> EndpointTimeoutError:
    return EndpointTimeoutError(
        "there was no time left for this photo", hint="send fewer photos at once"
    )


def _is_clients(error: SnapshelfError) -> bool:
    """Whether the photo is at fault; an endpoint that is too busy (429) is not the client's."""
    return isinstance(error, PhotoError) or (
        error.status < BatchFailedError.status and error.code != "endpoint_busy"
    )
