"""Requests drawn at random, most of them nearly right: whatever comes, the server answers.

SNAPSHELF_FUZZ_EXAMPLES sets how many are drawn.
"""

import base64
import io
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

EXAMPLES = int(os.environ.get("SNAPSHELF_FUZZ_EXAMPLES", "150"))
FORM = "multipart/form-data; boundary=x"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "MPO")


def encoded(kind):
    """A small photo with something in it."""
    image = Image.linear_gradient("L").resize((24, 17)).convert("RGB")
    image.putpixel((3, 3), (250, 10, 90))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


PHOTOS = [encoded(kind) for kind in FORMATS]


@st.composite
def damaged(draw):
    """A photo with bytes changed, cut out or put in, more often near its beginning."""
    data = bytearray(draw(st.sampled_from(PHOTOS)))
    for _ in range(draw(st.integers(0, 8))):
        reach = draw(st.sampled_from([32, 256, len(data)]))
        at = draw(st.integers(0, max(0, min(reach, len(data)) - 1)))
        piece = draw(st.binary(max_size=4) | st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0"]))
        data[at : at + draw(st.integers(0, 4))] = piece
    return bytes(data[: draw(st.sampled_from([len(data), 20, 60]))])


photos = damaged() | st.sampled_from(PHOTOS) | st.binary(max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
texts = st.builds(lambda data: base64.b64encode(data).decode(), photos) | st.text(max_size=20)
items = texts | scalars | st.dictionaries(st.sampled_from(["image", "b64", "x"]), texts, max_size=2)
documents = (
    st.dictionaries(
        st.sampled_from(["image", "images", "instances"]),
        items | st.lists(items, max_size=5),
        max_size=2,
    )
    | items
)
lines = st.lists(st.builds(json.dumps, items) | st.text(max_size=10), max_size=5).map(
    lambda each: "\n".join(each).encode(errors="surrogatepass")
)
forms = st.lists(
    st.tuples(st.sampled_from(["file", "files", "image"]) | st.text(max_size=5), photos), max_size=3
).map(
    lambda fields: (
        b"".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode(
                errors="replace"
            )
            + data
            + b"\r\n"
            for name, data in fields
        )
        + b"--x--"
    )
)
requests = (
    st.tuples(st.sampled_from(["image/jpeg", "image/png", "application/x-image"]), photos)
    | st.tuples(st.just("application/json"), st.builds(json.dumps, documents).map(str.encode))
    | st.tuples(st.just("application/jsonlines"), lines)
    | st.tuples(st.just(FORM), forms)
    | st.tuples(
        st.sampled_from(["application/json", "application/jsonlines", FORM, "text/csv", ";", ""]),
        st.binary(max_size=60),
    )
)
accepts = st.sampled_from(
    ["", "*/*", "application/json", "application/jsonlines;verbose", "image/png"]
) | st.from_regex(r"application/json(lines)?;verbose;top_k=[0-9]{1,20}", fullmatch=True)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests, accept=accepts)
def test_no_request_is_answered_with_a_fault_of_the_servers_own(server, request, accept):
    """A status below 500, and JSON that says what is wrong where it is not 200."""
    kind, body = request
    reply = server.ask(content=body, Content_Type=kind, Accept=accept)
    assert reply.status_code in {200, 400, 406, 413, 415}, reply.text
    if reply.status_code != 200:
        assert set(reply.json()) == {"code", "message", "hint"}
    elif reply.headers["content-type"] == "application/json":
        reply.json()
    else:
        assert all(json.loads(line) for line in reply.text.splitlines())


@pytest.mark.parametrize("photo", PHOTOS, ids=FORMATS)
def test_the_photos_that_are_damaged_are_good_at_first(server, photo):
    """Otherwise nothing but refusals would be drawn."""
    assert server.ask(content=photo, Content_Type="application/x-image").status_code == 200
