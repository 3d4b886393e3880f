"""The photos in a request's body, by its content type."""

import base64
import json

import pytest

from contracts import ENDPOINT_PAYLOAD_BYTES, SnapshelfError
from hosting import bodies
from hosting.bodies import BodyError, ContentTypeError, Form, PayloadError, read_body

A, B = b"\xff\xd8first", b"\x89PNGsecond"
FORM = "multipart/form-data; boundary=x"


def b64(data):
    return base64.b64encode(data).decode()


def form(*fields):
    """A form of (name, file's name or None, bytes)."""
    parts = []
    for name, file, data in fields:
        told = "" if file is None else f'; filename="{file}"'
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + b"--x--\r\n"


def read(document, content_type="application/json"):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_body(body, content_type)


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG; name=a", "application/x-image"])
def test_an_image_type_is_the_photo_itself(kind):
    """Not one byte is touched."""
    assert read(A, kind) == bodies.Body(Form.ONE, (A,))


@pytest.mark.parametrize(
    "text",
    [b64(A), f"data:image/jpeg;base64,{b64(A)}", f" DATA:;base64,\n{b64(A)}\n", f"{b64(A)[:4]}\n{b64(A)[4:]}"],
)  # fmt: skip
def test_json_holds_one_photo_as_base64_or_data_url(text):
    """White space in it is passed over, as line breaks of `base64` are."""
    assert read({"image": text}) == bodies.Body(Form.ONE, (A,))


@pytest.mark.parametrize("name", ["images", "instances"])
def test_json_holds_many_photos_in_order(name):
    """Texts, or objects as TensorFlow Serving's clients send them."""
    found = read({name: [b64(A), {"image": b64(B)}, {"b64": b64(A)}]})
    assert found == bodies.Body(Form.MANY, (A, B, A))


def test_a_bad_photo_of_many_stands_in_its_place():
    """Each is told apart: no base64, no text, no photo in the object."""
    photos = read({"images": [b64(A), "%%%", 7, None, {}, [], "", b64(B)]}).photos
    assert (photos[0], photos[-1]) == (A, B)
    assert all(isinstance(each, BodyError) for each in photos[1:-1])
    assert "%%%" in photos[1].message
    assert "is 7" in photos[2].message


def test_lines_are_photos_in_order_and_empty_ones_are_none():
    """As batch transform has it; CRLF, and a last line without an end, are lines too."""
    lines = f'"{b64(A)}"\r\n\n{{"image": "{b64(B)}"}}\nno json\n"{b64(A)}"'.encode()
    found = read(lines, "application/jsonlines")
    assert found.form is Form.LINES
    assert found.photos[:2] == (A, B)
    assert "not JSON" in found.photos[2].message
    assert found.photos[3] == A


def test_a_form_with_one_file_is_one_photo():
    """As the API's and curl's: with the file's name or without."""
    assert read(form(("file", "a.jpg", A)), FORM) == bodies.Body(Form.ONE, (A,))
    assert read(form(("image", None, A)), FORM) == bodies.Body(Form.ONE, (A,))


def test_a_form_with_several_files_is_many_photos():
    """One `files` is a list of one, so that a client with a list always gets a list."""
    two = form(("file", "a.jpg", A), ("whatever", "b.png", B))
    assert read(two, FORM) == bodies.Body(Form.MANY, (A, B))
    assert read(form(("files", "a.jpg", A)), FORM) == bodies.Body(Form.MANY, (A,))


def test_a_photo_of_a_form_keeps_its_line_ends():
    """Binary is no text: CR, LF and what resembles a boundary stay."""
    data = b"\r\n--\n\r\r\n--y\r\n\x00\xff\n"
    assert read(form(("file", "a", data)), FORM).photos == (data,)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"[1", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"image": 1}', "application/json"),
        (b'{"image": "%"}', "application/json"),
        (b'{"image": "YQ==", "images": []}', "application/json"),
        (b'{"images": "YQ=="}', "application/json"),
        (b'{"image": "\xff"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"image": ' + b"[" * 900 + b"]" * 900 + b"}", "application/json"),
        (b'{"image": "' + b"9" * 5000 + b'!"}', "application/json"),
        (b'{"image": ' + b"9" * 5000 + b"}", "application/json"),
        (b'{"image": "\\ud800"}', "application/json"),
        (b"", FORM),
        (b"no form", FORM),
        (form(("file", "a", A)), "multipart/form-data"),
        (form(("file", "a", A))[:-8], FORM),
        (form(("caption", None, b"hello")), FORM),
        (form(("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), None, A)), FORM),
        (form(), FORM),
    ],
)
def test_a_body_that_is_not_of_its_type_is_the_clients_fault(body, content_type):
    """400 with what was expected, in words that any answer can carry; never another exception."""
    with pytest.raises(BodyError) as caught:
        read_body(body, content_type)
    assert caught.value.hint
    assert len(caught.value.message.encode()) < 300


@pytest.mark.parametrize(
    "kind", ["", "text/csv", "application/xml", "multipart/mixed", "imagery/png"]
)
def test_another_type_is_refused(kind):
    """415, and the hint has all that are read."""
    with pytest.raises(ContentTypeError) as caught:
        read_body(A, kind)
    assert "application/jsonlines" in caught.value.hint


@pytest.mark.parametrize(
    "body", [b'{"images": [' + b'"",' * 20_000 + b'""]}', b'""\n' * 20_001, form(*[("f", "a", b"")] * 20_001)]
)  # fmt: skip
def test_more_photos_than_are_answered_are_refused(body):
    """Two million empty ones fit into a body; what is wrong with each would fit nowhere."""
    kind = {b"{": "application/json", b'"': "application/jsonlines"}.get(body[:1], FORM)
    with pytest.raises(PayloadError, match="20,000"):
        read_body(body, kind)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read():
    """By its size, whatever its type."""
    with pytest.raises(PayloadError):
        read_body(b" " * (ENDPOINT_PAYLOAD_BYTES + 1), "application/json")


@pytest.mark.parametrize(
    ("start", "middle", "kind"),
    [
        (b"", b"\n", "application/jsonlines"),
        (b'{"image":"', b" ", "application/json"),
        (b'--x\r\nContent-Disposition: form-data; name="', b";", FORM),
        (b"--x\r\n", b"a: b\r\n", FORM),
        (b"", b"\r\n--x", FORM),
        (b"", b"-", FORM),
    ],
)
def test_no_body_keeps_a_parser_busy(start, middle, kind):
    """6 MB of what a parser may look at again and again: it would go on until pytest ends it."""
    body = start + middle * ((ENDPOINT_PAYLOAD_BYTES - len(start)) // len(middle))
    try:
        found = read_body(body, kind)
    except SnapshelfError as error:
        found = error
    assert isinstance(found, (PayloadError, BodyError)) or found.form is Form.LINES
