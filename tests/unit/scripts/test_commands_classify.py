"""`snapshelf classify` against a stand-in for the API on loopback."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest
from click.testing import CliRunner

from contracts import EndpointError, PhotoError
from scripts.commands.classify import LARGEST_PHOTO, classify_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPLY = {
    "categories": [
        {"category": "book", "probability": 0.9},
        {"category": "car", "probability": 0.1},
    ],
    "verdict": "book",
}


class StandIn(http.server.BaseHTTPRequestHandler):
    """Calls every photo a book, but refuses those that say so."""

    asked: ClassVar[list[tuple[str, str | None]]] = []
    keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Content-Type"]))
        self.keys.append(self.headers["x-api-key"])
        refused = {"code": "unreadable_photo", "message": "not a photo"}
        status, reply = (400, refused) if body == b"refuse" else (200, REPLY)
        reply = {} if body == b"another API" else reply
        answer = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def api() -> Iterator[str]:
    StandIn.asked.clear()
    StandIn.keys.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


def test_prints_category_and_probability(api: str, tmp_path: Path) -> None:
    """One line a photo on stdout; the photo's bytes went to /classify as they are."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")
    result = CliRunner().invoke(classify_command, [str(photo), "--url", api])
    assert (result.exit_code, result.stdout.split()) == (0, [str(photo), "book", "90.0%"])
    assert StandIn.asked == [("/api/classify", "application/x-image")]


def test_folder_stands_for_its_photos(api: str, tmp_path: Path) -> None:
    """Photos at any depth are sent in order, other files are not."""
    for name in ("b/2.PNG", "a/1.jpg", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"photo")
    arguments = [str(tmp_path), "--url", api, "--json", "--top-k", "2"]
    result = CliRunner().invoke(classify_command, arguments)
    photos = json.loads(result.stdout)["photos"]
    assert [each["photo"] for each in photos] == [str(tmp_path / n) for n in ("a/1.jpg", "b/2.PNG")]
    assert {each["reply"]["verdict"] for each in photos} == {"book"}
    assert {path for path, _ in StandIn.asked} == {"/api/classify?top_k=2"}


def test_what_is_not_sent_of_a_folder_is_told(api: str, tmp_path: Path) -> None:
    """By the same rule as `batch run`: AVIF and HEIC are photos, hidden files are none."""
    for name in ("a.avif", "b.HEIC", "notes.txt", "more.txt", ".hidden.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    (tmp_path / "round").symlink_to(tmp_path)
    result = CliRunner().invoke(classify_command, [str(tmp_path), "--url", api, "--json"])
    told = json.loads(result.stdout)
    assert [each["photo"] for each in told["photos"]] == [
        str(tmp_path / name) for name in ("a.avif", "b.HEIC")
    ]
    assert told["left_out"] == {"other": 2, "hidden": 1, "folder_link": 1}
    assert "2 other files left out" in result.stderr


def test_a_pipe_is_told_and_not_waited_for(api: str, tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "a.jpg")
    result = CliRunner().invoke(classify_command, [str(tmp_path), "--url", api])
    assert result.exit_code == 1
    assert "a.jpg: not a regular file" in result.stderr


def test_one_refused_photo_does_not_cost_the_others(api: str, tmp_path: Path) -> None:
    """The reason is told on stderr, the rest is answered, and the exit code is 1."""
    for name, content in (("1.jpg", b"refuse"), ("2.jpg", b"photo")):
        (tmp_path / name).write_bytes(content)
    result = CliRunner().invoke(classify_command, [str(tmp_path), "--url", api])
    assert result.exit_code == 1
    assert "1.jpg: 400: not a photo" in result.stderr
    assert "1 of 2 photos failed" in result.stderr
    assert result.stdout.split()[1] == "book"


def test_reply_of_another_api_is_an_error(api: str, tmp_path: Path) -> None:
    """An address that answers something else is told from a photo without category."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"another API")
    result = CliRunner().invoke(classify_command, [str(photo), "--url", api])
    assert result.exit_code == 1
    assert "200: '{}', expected categories as JSON" in result.stderr


def test_photo_over_the_limit_is_not_sent(api: str, tmp_path: Path) -> None:
    """Lambda would answer 413 after the whole upload."""
    photo = tmp_path / "large.jpg"
    photo.write_bytes(b"x" * (LARGEST_PHOTO + 1))
    result = CliRunner().invoke(classify_command, [str(photo), "--url", api])
    assert result.exit_code == 1
    assert f"expected at most {LARGEST_PHOTO:,}" in result.stderr
    assert StandIn.asked == []


def test_api_that_is_down_ends_the_command(tmp_path: Path) -> None:
    """Not each photo is at fault, so one error says what is."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = CliRunner().invoke(classify_command, [str(photo), "--url", url])
    assert isinstance(result.exception, EndpointError)
    assert "does not answer" in result.exception.message


def test_folder_without_photos_is_refused(api: str, tmp_path: Path) -> None:
    """Nothing answered at all would look like success."""
    result = CliRunner().invoke(classify_command, [str(tmp_path), "--url", api])
    assert isinstance(result.exception, PhotoError)
    assert "holds no photos" in result.exception.message


def test_key_goes_along_where_there_is_one(api: str, tmp_path: Path) -> None:
    """An API that asks for a key is asked with it; an open one is sent none."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"photo")
    for options in ([], ["--key", "k" * 20]):
        CliRunner().invoke(classify_command, [str(photo), "--url", api, *options])
    assert StandIn.keys == [None, "k" * 20]
