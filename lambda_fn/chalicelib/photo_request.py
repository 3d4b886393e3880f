"""From a request to the bytes of one photo, checked as far as that goes without decoding it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import TYPE_CHECKING

from .contracts import (
    ANY_IMAGE,
    ENDPOINT_PAYLOAD_BYTES,
    JPEG,
    JSON,
    LAMBDA_PAYLOAD_BYTES,
    PNG,
    WEBP,
    PhotoError,
)
from .errors import BadRequestError, PhotoTooLargeError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping

MULTIPART = "multipart/form-data"
TEXT = "text/plain"
FORM = "application/x-www-form-urlencoded"
"""What jQuery and curl call a text that they send as it is, such as a data URL."""

PHOTO_BODY_TYPES = (
    JPEG,
    "image/jpg",
    PNG,
    WEBP,
    "image/avif",
    "image/gif",
    "image/bmp",
    ANY_IMAGE,
    "application/octet-stream",
)
"""Types of a body that is the photo itself. Its first bytes tell its kind, not this header."""

CONTENT_TYPES = (JSON, TEXT, MULTIPART, *PHOTO_BODY_TYPES)
"""Every type of body that `read_photo` takes."""

TEXT_TYPES = (TEXT, FORM, JSON)
"""Types under which clients send a bare data URL: what their libraries put there by themselves."""

BINARY_TYPES = (MULTIPART, *PHOTO_BODY_TYPES)
"""Types that API Gateway must hand over as base64, since it reads all others as text.

Not `*/*`: that would also encode JSON, whose photo is base64 already, and a photo of 4.4 MB in JSON
would no longer fit Lambda's 6 MB. Replies are JSON, hence text whatever the Accept header says.
"""

DEFAULT_TOP_K = 5
ACCEPTED = "a JPEG, PNG, WebP, AVIF, GIF or BMP photo"

_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]*)*;base64,", re.IGNORECASE)
_LONGEST_PREFIX = 256
_LONGEST_HEADER = 4096
_AVIF = (b"ftypavif", b"ftypavis")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Photo:
    """The bytes of one photo and the content type under which the endpoint takes them."""

    data: bytes
    content_type: str


def read_photo(body: bytes, content_type: str) -> Photo:
    """The photo in a request's body.

    Args:
        body: the body as the client sent it (API Gateway's base64 already undone).
        content_type: the Content-Type header; empty means JSON, as Chalice has it.

    Raises:
        BadRequestError: the body is empty or malformed.
        UnsupportedMediaTypeError: the content type, or the photo's format, is not taken.
        PhotoTooLargeError: more bytes than Lambda or the endpoint takes.
        PhotoError: the bytes are no photo.
    """
    if not body:
        raise BadRequestError("the body is empty", hint=_HOW_TO_SEND)
    if len(body) > LAMBDA_PAYLOAD_BYTES:
        raise _too_large(len(body), LAMBDA_PAYLOAD_BYTES)
    media_type = (content_type or JSON).partition(";")[0].strip().lower()
    if media_type == JSON:
        data = read_base64(_image_member(body))
    elif media_type == TEXT:
        data = read_base64(_text(body))
    elif media_type == MULTIPART:
        data = _file_part(body, content_type)
    elif media_type in PHOTO_BODY_TYPES:
        data = body
    else:
        raise UnsupportedMediaTypeError(
            f"Content-Type {media_type!r}: expected one of {', '.join(CONTENT_TYPES)}",
            hint=_HOW_TO_SEND,
        )
    return Photo(data, sniff(data))


def read_base64(text: str) -> bytes:
    """The bytes of base64, or of a data URL; white space in it is passed over.

    Raises:
        BadRequestError: it is neither.
        PhotoTooLargeError: more bytes than the endpoint takes.
    """
    text = _WHITE_SPACE.sub("", text)
    prefix = _DATA_URL.match(text)
    encoded = text[prefix.end() :] if prefix else text
    if len(encoded) * 3 // 4 > ENDPOINT_PAYLOAD_BYTES:
        raise _too_large(len(encoded) * 3 // 4, ENDPOINT_PAYLOAD_BYTES)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(
            f"the image is not base64: {error}",
            hint='expected base64 such as "/9j/4AAQ...", or a URL "data:image/jpeg;base64,..."',
        ) from error


def read_data_url(body: bytes) -> Photo:
    """The photo of a body that is a data URL alone, as the marketplace's client sends it.

    Raises:
        BadRequestError: the body is empty or no data URL.
        UnsupportedMediaTypeError, PhotoTooLargeError, PhotoError: as `read_photo`.
    """
    if not _DATA_URL.match(_WHITE_SPACE.sub("", body[:_LONGEST_PREFIX].decode("latin-1"))):
        raise BadRequestError(
            f"the body starts with {body[:12]!r}: expected a data URL",
            hint='send "data:image/jpeg;base64,..." as text/plain, or JSON to POST /classify',
        )
    return read_photo(body, TEXT)


def sniff(data: bytes) -> str:
    """The content type for the endpoint, told by the photo's first bytes.

    Raises:
        UnsupportedMediaTypeError: a photo of a format that the model's endpoint does not decode.
        PhotoError: no photo at all.
    """
    if not data:
        raise PhotoError("the photo has no bytes: expected " + ACCEPTED, hint=_HOW_TO_SEND)
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    if data.startswith((b"GIF87a", b"GIF89a", b"BM")) or data[4:12] in _AVIF:
        return ANY_IMAGE
    if data[4:8] == b"ftyp":  # other ISO base media files: HEIC photos, MP4 videos
        brand = data[8:12].decode("latin-1")
        raise UnsupportedMediaTypeError(
            f"a file of type {brand!r} (HEIC or video): expected {ACCEPTED}",
            hint="export the photo as JPEG first; phones call it 'most compatible'",
        )
    raise PhotoError(
        f"the bytes start with {data[:8].hex(' ')}: expected {ACCEPTED}",
        hint="send the photo's file as it is, not resaved as text",
    )


def read_top_k(query: Mapping[str, str] | None) -> int | None:
    """The query's `top_k`, 1 or more; None where it is not given.

    Raises:
        BadRequestError: it is no whole number of at least 1.
    """
    text = (query or {}).get("top_k")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise BadRequestError(
            f"top_k={text[:20]!r}: expected a whole number from 1 to the number of categories",
            hint="leave it out for the best five",
        )
    return int(text)


_HOW_TO_SEND = (
    'send {"image": "<base64 or data URL>"} as application/json, the photo\'s bytes as image/jpeg, '
    "image/png or image/webp, or a multipart form with the field file"
)


def _image_member(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}", hint=_HOW_TO_SEND) from error
    if not isinstance(document, dict) or "image" not in document:
        raise BadRequestError('the JSON has no member "image"', hint=_HOW_TO_SEND)
    image = document["image"]
    if not isinstance(image, str) or not image.strip():
        raise BadRequestError(
            f'"image" is {json.dumps(image)[:40]}: expected a base64 string or a data URL',
            hint=_HOW_TO_SEND,
        )
    return image


def _text(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadRequestError(
            f"the text has the byte {body[error.start]:#04x}: expected a data URL",
            hint="send photo bytes with their own Content-Type, such as image/jpeg",
        ) from error


def _file_part(body: bytes, content_type: str) -> bytes:
    header = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = BytesParser().parsebytes(header + body)
    parts = form.get_payload() if form.is_multipart() else []
    for part in parts:
        if not isinstance(part, Message):
            continue
        if len(str(part.get("content-disposition", ""))) > _LONGEST_HEADER:
            continue  # the library's time grows with the square of it
        if part.get_param("name", header="content-disposition") == "file":
            data = part.get_payload(decode=True)
            return data if isinstance(data, bytes) else b""
    raise BadRequestError(
        "the form has no field file",
        hint="with curl: -F file=@photo.jpg",
    )


def _too_large(size: int, limit: int) -> PhotoTooLargeError:
    return PhotoTooLargeError(
        f"the photo has {size:,} bytes: expected {limit:,} at most",
        hint="make the photo smaller: the model looks at a small square of it anyway",
    )
