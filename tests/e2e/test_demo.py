"""The demo as a process: interrupted at any step it leaves nothing behind that would be trusted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from drawn_photos import draw_photos

from contracts import ARTIFACT_FILE, DATASET_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
ENDS_WITHIN_SECONDS = 40


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough drawn photos for one batch of each epoch."""
    root = tmp_path_factory.mktemp("photos")
    draw_photos(root / "photos", 40, seed=3)
    return root / "photos"


def start_demo(folder: Path, photos: Path) -> subprocess.Popen[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--once", "--port", str(port), "--folder", str(folder), "--photos", str(photos)]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "scripts.demo", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines_until(demo: subprocess.Popen[str], words: str) -> Iterator[str]:
    assert demo.stdout is not None
    for line in demo.stdout:
        yield line
        if words in line:
            return
    pytest.fail(f"the demo ended before it said {words!r}")


def processes_of(folder: Path) -> list[str]:
    """Command lines of the running processes that know this demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text:
            found.append(text[:200].decode(errors="replace"))
    return found


@pytest.mark.parametrize("step", ["[2/8]", "[3/8]", "[5/8]", "Epoch[0] Train-accuracy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(
    tmp_path: Path, photos: Path, step: str, number: signal.Signals
) -> None:
    """At once after a step's first line: it ends by itself, all it started with it, no artifact."""
    demo = start_demo(tmp_path / "demo", photos)
    list(lines_until(demo, step))
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=ENDS_WITHIN_SECONDS)
    assert "Traceback" not in output
    assert demo.returncode == 130
    deadline = time.monotonic() + 5
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "demo" / ARTIFACT_FILE).exists()
    if step == "[2/8]":
        assert not (tmp_path / "demo" / "records" / DATASET_FILE).exists()


def test_the_demo_keeps_out_of_a_folder_that_is_not_its_own(tmp_path: Path, photos: Path) -> None:
    """A folder with somebody's files is neither filled nor removed, and the words say why."""
    (tmp_path / "thesis.txt").write_text("years of work")
    for arguments in (["--clean"], ["--once", "--photos", str(photos)]):
        demo = subprocess.run(
            [sys.executable, "-m", "scripts.demo", "--folder", str(tmp_path), *arguments],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert demo.returncode == 1
        assert "did not make" in demo.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
