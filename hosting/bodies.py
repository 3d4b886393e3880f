"""The photos in a request's body, by its content type; what is wrong with one stands in its place.

Nothing is decoded here but base64: bytes and counts are checked before any pixel is looked at.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from contracts import ENDPOINT_PAYLOAD_BYTES, JSON, JSON_LINES, PHOTO_TYPES, SnapshelfError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MULTIPART = "multipart/form-data"

PACKED_TYPES = (JSON, JSON_LINES, MULTIPART)
"""Types of a body that holds photos; any other that is read is a photo's own bytes."""

MAX_PHOTOS = 20_000
"""Most photos of one request, as the API's: what is wrong with each is still answered."""

IMAGE, IMAGES, INSTANCES = "image", "images", "instances"
ENCODED = (IMAGE, "b64")
"""Members of an object that is one of many photos; the second is TensorFlow Serving's."""

FILE_FIELDS = ("file", "files", IMAGE, IMAGES)
"""Names of a form's fields that are photos, whether or not they come with a file's name."""

_T = TypeVar("_T")
_PREFIX = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
_LINE = re.compile(rb"[^\n]+")
_SPACE = re.compile(r"[ \t\r\n]+")
_SHOWN = 40
_HOW = (
    f"send a photo's bytes as {', '.join(PHOTO_TYPES)}; base64 or a data URL as {JSON} "
    f'{{"{IMAGE}": "..."}} or {{"{IMAGES}": ["...", ...]}}; '
    f"the same a photo a line as {JSON_LINES}; or files as {MULTIPART}"
)
_EACH = 'expected base64, a data URL, or {"image": either}'
_FORM = "with curl: -F file=@photo.jpg"


class ContentTypeError(SnapshelfError):
    """The body is of a type that this model does not read."""

    code = "unsupported_media_type"
    status = 415


class PayloadError(SnapshelfError):
    """The body is larger than InvokeEndpoint carries, or holds more photos than are answered."""

    code = "payload_too_large"
    status = 413


class BodyError(SnapshelfError):
    """The body is not what its content type says, or holds no photo where one is expected."""

    code = "bad_request"
    status = 400


class Form(enum.Enum):
    """What shape a body has, and its answer unless the Accept header asks for another."""

    ONE = "one photo"
    MANY = "a list of photos"
    LINES = "a photo on each line"


@dataclass(frozen=True, slots=True)
class Body:
    """The photos of a request in order: their bytes, or what is wrong. `Form.ONE` holds one."""

    form: Form
    photos: tuple[bytes | SnapshelfError, ...]


def read_body(body: bytes, content_type: str) -> Body:
    """The photos in a request's body.

    Args:
        body: whole.
        content_type: the Content-Type header.

    Raises:
        ContentTypeError: as `check_type`.
        PayloadError: too many bytes, or more than MAX_PHOTOS.
        BodyError: the body is not of its type, or is a single photo's and holds none.
    """
    name = check_type(content_type)
    check_size(len(body))
    if name == JSON:
        return _read_json(body)
    if name == JSON_LINES:
        return Body(Form.LINES, tuple(map(_read_line, _limited(_lines(body)))))
    if name == MULTIPART:
        return _read_form(body, content_type)
    return Body(Form.ONE, (body,))


def check_type(header: str) -> str:
    """The media type of a body, if it is read here, in small letters and without parameters.

    Raises:
        ContentTypeError: neither one of PHOTO_TYPES or another image/*, nor one that holds photos.
    """
    name = header.partition(";")[0].strip().lower()
    if name not in (*PHOTO_TYPES, *PACKED_TYPES) and not name.startswith("image/"):
        raise ContentTypeError(f"Content-Type: {header or '(none)'}: not read here", hint=_HOW)
    return name


def check_size(size: int) -> None:
    """Refuse a body of more bytes than InvokeEndpoint carries.

    Raises:
        PayloadError: it is larger.
    """
    if size > ENDPOINT_PAYLOAD_BYTES:
        raise PayloadError(
            f"the body exceeds {ENDPOINT_PAYLOAD_BYTES:,} bytes", hint="send a smaller photo"
        )


def _read_json(body: bytes) -> Body:
    document = _parse(body, _HOW)
    known = (IMAGE, IMAGES, INSTANCES)
    members = [name for name in known if isinstance(document, dict) and name in document]
    if len(members) != 1:
        told = " and ".join(members) or "none of them"
        raise BodyError(f"the JSON has {told}: expected one of {', '.join(known)}", hint=_HOW)
    value = document[members[0]]
    if members[0] == IMAGE:
        return Body(Form.ONE, (_decode(value),))
    if not isinstance(value, list):
        raise BodyError(f"{members[0]} is {_show(value)}: expected a list of photos", hint=_HOW)
    return Body(Form.MANY, tuple(map(_read_item, _limited(value))))


def _lines(body: bytes) -> Iterator[bytes]:
    """Lines that hold something; batch transform takes empty ones for no records either."""
    lines = (found[0].strip() for found in _LINE.finditer(body))
    return filter(None, lines)


def _read_line(line: bytes) -> bytes | SnapshelfError:
    try:
        return _read_item(_parse(line, _EACH))
    except BodyError as error:
        return error


def _read_item(value: Any) -> bytes | SnapshelfError:
    """One of many photos: a text, or an object that holds one."""
    if isinstance(value, dict):
        value = next((value[name] for name in ENCODED if name in value), None)
    try:
        return _decode(value)
    except BodyError as error:
        return error


def _read_form(body: bytes, content_type: str) -> Body:
    """The files of a form: of `file` or `image` alone one photo, of anything else many."""
    parts = list(_limited(_parts(body, content_type)))
    if not parts:
        raise BodyError("the form has no field: expected the field file", hint=_FORM)
    single = len(parts) == 1 and parts[0][0] in ("file", IMAGE)
    return Body(Form.ONE if single else Form.MANY, tuple(data for _, data in parts))


def _parts(body: bytes, content_type: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every field, which must be a photo's."""
    import multipart  # a function that holds the model reads no forms, and has no such library

    boundary = multipart.parse_options_header(content_type)[1].get("boundary", "")
    name, data = "", bytearray()
    try:
        with multipart.PushMultipartParser(boundary, strict=True) as parser:
            for event in parser.parse(body):
                if event is None:
                    yield name, bytes(data)
                elif isinstance(event, multipart.MultipartSegment):
                    _check_field(event)
                    name, data = event.name, bytearray()
                else:
                    data += event
    except multipart.MultipartError as error:
        raise BodyError(f"the body is no form: {error}", hint=_FORM) from error


def _check_field(segment: Any) -> None:
    if segment.filename is None and segment.name not in FILE_FIELDS:
        raise BodyError(
            f"the form has the field {segment.name[:_SHOWN]!a}: "
            f"expected files, or {', '.join(FILE_FIELDS)}",
            hint=_FORM,
        )


def _decode(value: Any) -> bytes:
    """The bytes of base64, or of a data URL; white space in it is passed over."""
    if not isinstance(value, str) or not value:
        raise BodyError(f"the photo is {_show(value)}", hint=_EACH)
    prefix = _PREFIX.match(value)
    encoded = value[prefix.end() :] if prefix else value
    try:
        return base64.b64decode(_SPACE.sub("", encoded), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BodyError(f"{_show(value)} is not base64: {error}", hint=_EACH) from error


def _parse(text: bytes, hint: str) -> Any:
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BodyError(f"not JSON: {error}", hint=hint) from error


def _limited(items: Iterable[_T]) -> Iterator[_T]:
    for count, item in enumerate(items):
        if count == MAX_PHOTOS:
            raise PayloadError(
                f"the body holds more than {MAX_PHOTOS:,} photos", hint="send fewer at once"
            )
        yield item


def _show(value: Any) -> str:
    """A JSON value for an error's message: short, in ASCII, and of no depth."""
    if isinstance(value, list | dict):
        return "an object" if isinstance(value, dict) else "a list"
    shown = json.dumps(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
