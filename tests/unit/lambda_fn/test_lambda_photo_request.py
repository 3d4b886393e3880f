"""From a request's body to the bytes of one photo."""

from __future__ import annotations

import base64
import json

import pytest
from chalicelib.contracts import ENDPOINT_PAYLOAD_BYTES, LAMBDA_PAYLOAD_BYTES, SnapshelfError
from chalicelib.photo_request import BINARY_TYPES, CONTENT_TYPES, Photo, read_photo, sniff
from hypothesis import given
from hypothesis import strategies as st
from lambda_events import data_url, photo_bytes

JPEG_HEAD = b"\xff\xd8\xff"


def refusal(body: bytes, content_type: str = "application/json") -> SnapshelfError:
    with pytest.raises(SnapshelfError) as caught:
        read_photo(body, content_type)
    return caught.value


def image_json(image: object) -> bytes:
    return json.dumps({"image": image}).encode()


@pytest.mark.parametrize(
    "wrap",
    [
        data_url,
        lambda data: data_url(data, "image/x"),
        lambda data: data_url(data).replace("data:", "DATA:"),
        lambda data: f"data:;base64,{base64.b64encode(data).decode()}",
        lambda data: f"data:image/jpeg;charset=x;base64,{base64.b64encode(data).decode()}",
        lambda data: base64.b64encode(data).decode(),
        lambda data: base64.encodebytes(data).decode(),
    ],
)
def test_base64_is_read_with_and_without_a_data_url(wrap):
    """Line breaks, as `base64` writes them, and any type in the URL are fine."""
    photo = photo_bytes()
    assert read_photo(image_json(wrap(photo)), "application/json; charset=utf-8").data == photo


def test_a_data_url_as_plain_text_is_read():
    """The marketplace's client sends the URL itself as the body."""
    photo = photo_bytes()
    assert read_photo(data_url(photo).encode(), "text/plain;charset=UTF-8").data == photo


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"not json", "not JSON"),
        (b"\xff\xd8\xff\xe0", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", 'no member "image"'),
        (b"null", 'no member "image"'),
        (b'{"photo": "x"}', 'no member "image"'),
        (image_json(None), '"image" is null'),
        (image_json(7), '"image" is 7'),
        (image_json(["x"]), '"image" is'),
        (image_json("  "), '"image" is'),
        (image_json("data:image/jpeg;base64,%%%"), "not base64"),
        (image_json("/9j/4AA"), "not base64"),
        (image_json("data:image/svg+xml,<svg/>"), "not base64"),
        (image_json("ü" * 8), "not base64"),
    ],
)
def test_malformed_json_requests_are_the_clients_fault(body, says):
    """Each names what is wrong and how to send a photo."""
    error = refusal(body)
    assert (error.status, error.code) == (400, "bad_request")
    assert says in error.message
    assert error.hint
    assert len(error.message) < 300


@pytest.mark.parametrize(
    "data", [b"hello world", b"%PDF-1.7", b"\x00" * 64, b"RIFF\x00\x00\x00\x00WAVE"]
)
def test_bytes_that_are_no_photo_are_refused(data):
    """The message shows the first bytes and what was expected."""
    error = refusal(data, "image/jpeg")
    assert (error.status, error.code) == (400, "unreadable_photo")
    assert data[:8].hex(" ") in error.message


def test_an_empty_image_is_refused():
    """A data URL without bytes holds no photo."""
    assert refusal(image_json("data:image/jpeg;base64,")).code == "unreadable_photo"


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"isom"])
def test_heic_and_its_kin_are_refused_with_the_mend(brand):
    """Phones' own format is named, and the way out of it."""
    error = refusal(b"\x00\x00\x00\x18ftyp" + brand + b"\x00" * 20, "application/octet-stream")
    assert error.status == 415
    assert "JPEG" in error.hint


def test_an_unknown_content_type_is_refused():
    """The message lists what is taken."""
    error = refusal(b"<svg/>", "image/svg+xml")
    assert error.status == 415
    assert "image/webp" in error.message


def test_the_largest_photo_passes_and_one_byte_more_does_not():
    """The limit is the endpoint's payload, checked before anything is decoded."""
    largest = JPEG_HEAD + b"\x00" * (ENDPOINT_PAYLOAD_BYTES - 3)
    assert len(read_photo(largest, "image/jpeg").data) == ENDPOINT_PAYLOAD_BYTES
    error = refusal(largest + b"\x00", "image/jpeg")
    assert (error.status, error.code) == (413, "photo_too_large")
    assert "6,291,456" in error.message


def test_json_above_lambdas_limit_is_refused_unread():
    """Garbage of that size is not parsed first."""
    error = refusal(b"[" * (LAMBDA_PAYLOAD_BYTES + 1))
    assert error.status == 413


MULTIPART = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--x--\r\n", MULTIPART),
        (b"no boundary in sight", MULTIPART),
        (b"--x\r\nContent-Disposition: form-data; name=photo\r\n\r\nabc\r\n--x--", MULTIPART),
        (b"--x\r\n\r\nabc\r\n--x--", MULTIPART),
        (
            b"--x\r\nContent-Disposition: form-data" + b";" * 3_000_000 + b"\r\n\r\na\r\n--x--",
            MULTIPART,
        ),
        (
            '--x\r\nContent-Disposition: form-data; name="\u00a3"\r\n\r\na\r\n--x--'.encode(),
            MULTIPART,
        ),
        (b"--x--", "multipart/form-data"),
        (b"--x--", "multipart/form-data; boundary=\u00e9"),
    ],
)
def test_a_form_without_the_field_is_refused(body, content_type):
    """Truncated, empty and boundless forms are the client's fault."""
    error = refusal(body, content_type)
    assert error.status == 400
    assert "field file" in error.message


@given(tail=st.binary(max_size=200))
def test_a_forms_file_arrives_byte_for_byte(tail):
    """Line ends and high bytes inside a photo are left alone."""
    photo = JPEG_HEAD + tail
    body = (
        b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="p"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n--b0undary--\r\n"
    )
    assert read_photo(body, "multipart/form-data; boundary=b0undary").data == photo


@given(body=st.binary(max_size=300), content_type=st.sampled_from((*CONTENT_TYPES, MULTIPART, "")))
def test_no_body_is_ever_a_bug(body, content_type):
    """Whatever arrives, it is a photo or the client's fault."""
    outcome: object
    try:
        outcome = read_photo(body, content_type)
    except SnapshelfError as error:
        outcome = error
    assert isinstance(outcome, Photo) or 400 <= outcome.status < 500


def test_json_is_no_binary_type():
    """The gateway must not encode JSON again: 6 MB would then hold a third less photo."""
    assert "*/*" not in BINARY_TYPES
    assert set(CONTENT_TYPES) - set(BINARY_TYPES) == {"application/json", "text/plain"}
    assert {"image/webp", "multipart/form-data"} <= set(BINARY_TYPES)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_a_photos_kind_is_told_by_its_first_bytes(kind):
    """What the endpoint has no type of its own for goes as application/x-image."""
    expected = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
    assert sniff(photo_bytes(kind)) == expected.get(kind, "application/x-image")
