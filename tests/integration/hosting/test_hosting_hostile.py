"""Photos made to do harm, sent to a real process over HTTP: it refuses them, and goes on as before."""

import base64
import io
import json
import re
import socket
import struct
import zlib
from pathlib import Path

import httpx
import pytest
from PIL import Image

MEMORY_SLACK_MB = 40
"""What the allocator may keep back beside what is in use."""

BATCHES_MB = 60
"""What many photos in a request may take beside."""


def peak_megabytes(process):
    """The most that the process has ever held."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) / 1000


def megabytes(process):
    """What the process holds now."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1000


def png_header(width, height):
    """A PNG that says how large it is, with hardly any pixels behind it."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def bmp_header(width, height):
    """A BMP likewise."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + info + bytes(100)


def gif_header(width, height):
    """A GIF likewise."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"


def animation(kind, frames):
    """A red picture that goes on in blue for a long time."""
    pictures = [Image.new("RGB", (64, 64), (10, 10, 240 - at % 5)) for at in range(frames)]
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 10, 10)).save(
        buffer, kind, save_all=True, append_images=pictures
    )
    return buffer.getvalue()


@pytest.fixture
def served(serve, make_artifact):
    """The colour network, served."""
    return serve(make_artifact())


@pytest.mark.parametrize("make", [png_header, bmp_header, gif_header])
def test_a_photo_that_says_it_is_huge_is_refused_by_its_header(served, red_photo, make):
    """No memory is taken for pixels that would not be decoded."""
    served.post(red_photo)
    before = peak_megabytes(served.process)
    for side in (12_000, 30_000):  # the second is beyond Pillow's own limit too
        reply = served.post(make(side, side), "application/x-image")
        assert reply.status_code == 400
        assert "pixels" in reply.json()["message"]
    assert peak_megabytes(served.process) < before + MEMORY_SLACK_MB
    assert served.post(red_photo).status_code == 200


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_looked_at(served, red_photo, kind):
    """However many follow, memory is that of one."""
    served.post(red_photo)
    before = peak_megabytes(served.process)
    reply = served.post(animation(kind, 500), "application/x-image")
    assert reply.status_code == 200
    assert reply.json()[0] > 0.9
    assert peak_megabytes(served.process) < before + MEMORY_SLACK_MB


def test_many_requests_that_stop_half_way_do_not_keep_others_out(served, red_photo):
    """Connections that are closed within a body are forgotten, and none is a fault of ours."""
    head = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as client:
            client.sendall(head + b"Content-Length: 1000\r\n\r\n" + red_photo[:10])
    assert served.post(red_photo).status_code == 200
    text = served.until(lambda: told_gone(served))
    assert 'status="500"' not in text
    assert "Traceback" not in served.log.read_text()


def told_gone(served):
    """The metrics, once they tell of all clients that went away."""
    text = served.get("/metrics").text
    return text if 'path="/invocations",status="499"} 100.0' in text else None


@pytest.mark.real_data
def test_every_hostile_photo_is_answered_and_memory_is_flat(served, red_photo, shared_data):
    """Each alone, then all in lines: the same answers, none a fault of the server's."""
    paths = sorted(each for each in (shared_data / "hostile").rglob("*") if each.is_file())
    photos = [each.read_bytes() for each in paths]
    with httpx.Client(base_url=served.address, timeout=60) as client:
        alone = [ask(client, photo) for photo in photos]
        assert {each for each in alone if each >= 500} == set(), alone
        assert alone.count(200) > 500
        assert alone.count(400) > 200
        first = megabytes(served.process)
        together = [status for part in parts_of(photos) for status in ask_lines(client, part)]
        assert together == alone
        again = [ask(client, photo) for photo in photos]
        assert again == alone
    assert megabytes(served.process) < first + BATCHES_MB
    assert served.post(red_photo).json()[0] > 0.9
    assert "Traceback" not in served.log.read_text()


def ask(client, photo):
    """The status of a photo sent alone."""
    headers = {"Content-Type": "application/x-image"}
    return client.post("/invocations", content=photo, headers=headers).status_code


def ask_lines(client, photos):
    """What each of the photos is told that are sent as lines."""
    lines = [json.dumps(base64.b64encode(photo).decode()) for photo in photos]
    headers = {"Content-Type": "application/jsonlines"}
    reply = client.post("/invocations", content="\n".join(lines), headers=headers)
    answers = [json.loads(line) for line in reply.text.splitlines()]
    assert len(answers) == len(photos)
    return [each["error"]["status"] if "error" in each else 200 for each in answers]


def parts_of(photos):
    """Photos as they fit into requests."""
    part, size = [], 0
    for photo in photos:
        if part and (size + len(photo)) * 4 / 3 > 5_000_000:
            yield part
            part, size = [], 0
        part.append(photo)
        size += len(photo)
    yield part
