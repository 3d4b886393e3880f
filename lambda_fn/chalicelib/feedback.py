"""What people say a photo shows: checked, and kept as new training data with their consent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contracts import FEEDBACK_FOLDER, JSON
from .errors import BadRequestError, PhotoTooLargeError
from .photo_request import Photo, read_photo
from .photo_store import facts_of

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .photo_store import PhotoStore

OTHER = "other"
"""The category of photos that show none of the model's."""

MAX_FEEDBACK_BYTES = 2_000_000
"""Largest photo that is kept: what the page sends has some 5 kB, a phone's photo mostly less."""

_MAX_NAME_BYTES = 100  # S3 allows 2 kB of metadata in all, and a percent-encoded byte takes three
_NO_FOLDER = re.compile(r"[/\\\x00-\x1f\x7f]|^[.\s]|[.\s]$")
_VERSION = re.compile(r"[0-9A-Za-z._-]{1,64}")
_HOW_TO_SEND = 'send {"image": "<base64>", "category": "<name>", "consent": true}'


@dataclass(frozen=True, slots=True)
class Feedback:
    """A photo and the category that a person gives it.

    Attributes:
        shown: the category that the person was shown; "" where that is not told.
        shown_version: of the model that named it; likewise.
    """

    photo: Photo
    category: str
    shown: str = ""
    shown_version: str = ""


def read_feedback(body: bytes) -> Feedback:
    """What a person says of a photo.

    Raises:
        BadRequestError: a member is missing or not as expected, or there is no consent.
        PhotoTooLargeError: the photo has more than MAX_FEEDBACK_BYTES.
        UnsupportedMediaTypeError, PhotoError: the image is no photo.
    """
    document = _object(body)
    if document.get("consent") is not True:
        raise BadRequestError(
            f'"consent" is {json.dumps(document.get("consent"))[:40]}: expected true',
            hint="ask the person whether the photo may be kept for training, and only then send it",
        )
    photo = read_photo(body, JSON)
    if len(photo.data) > MAX_FEEDBACK_BYTES:
        raise PhotoTooLargeError(
            f"the photo has {len(photo.data):,} bytes: expected {MAX_FEEDBACK_BYTES:,} at most",
            hint="make the photo smaller: the model looks at a small square of it anyway",
        )
    version = _text(document, "model_version", required=False)
    if version and not _VERSION.fullmatch(version):
        raise BadRequestError(
            f'"model_version" is {version[:40]!r}: expected one that a reply gave',
            hint="leave it out where it is not known",
        )
    return Feedback(
        photo,
        check_folder(_text(document, "category")),
        _text(document, "predicted", required=False),
        version,
    )


def keep_feedback(
    feedback: Feedback, model: Endpoint, store: PhotoStore, request_id: str
) -> dict[str, Any]:
    """Put the photo into its category's folder, if the model can read it and knows the category.

    Raises:
        BadRequestError: neither one of the model's categories nor OTHER.
        RefusedPhotoError: the model cannot read the photo.
        EndpointError: the model does not answer.
        StorageError: S3 does not take it.
    """
    prediction = model.classify(feedback.photo)  # decodes the photo, where decoding is guarded
    if feedback.category not in (*prediction.labels, OTHER):
        raise BadRequestError(
            f'"category" is {feedback.category!r}: expected one of the model\'s, or {OTHER!r}',
            hint="GET /categories lists them",
        )
    said = {
        "consent": "true",
        "category": feedback.category,
        "shown": feedback.shown,
        "shown-version": feedback.shown_version,
        "request-id": request_id,
    }
    folder = f"{FEEDBACK_FOLDER}/{feedback.category}"
    facts = {name: value for name, value in said.items() if value}
    key = store.keep(folder, feedback.photo, {**facts, **facts_of(prediction)})
    return {
        "stored": key,
        "category": feedback.category,
        "predicted": prediction.best,
        "model_version": prediction.model_version,
        "request_id": request_id,
    }


def check_folder(category: str) -> str:
    """The category, if it can be a folder's name.

    Raises:
        BadRequestError: it is too long, or would lead elsewhere.
    """
    if len(category.encode()) > _MAX_NAME_BYTES or _NO_FOLDER.search(category):
        raise BadRequestError(
            f'"category" is {category[:40]!r}: expected a name of {_MAX_NAME_BYTES} bytes at most'
            " without slashes and control characters, and no dot or space at its ends",
            hint="GET /categories lists the model's",
        )
    return category


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}", hint=_HOW_TO_SEND) from error
    if not isinstance(document, dict):
        raise BadRequestError("the body is no JSON object", hint=_HOW_TO_SEND)
    return document


def _text(document: dict[str, Any], name: str, *, required: bool = True) -> str:
    value = document.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value or _is_unwritable(value):
        raise BadRequestError(
            f'"{name}" is {json.dumps(value)[:40]}: expected text of 1 to {_MAX_NAME_BYTES} bytes',
            hint=_HOW_TO_SEND,
        )
    return value


def _is_unwritable(value: str) -> bool:
    """Whether it is too long for S3's metadata, or no Unicode (JSON may hold half a surrogate)."""
    return len(value.encode(errors="replace")) > _MAX_NAME_BYTES or any(
        "\ud800" <= character <= "\udfff" for character in value
    )
