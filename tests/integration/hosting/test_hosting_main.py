"""The program `python -m hosting serve`, as a container runs it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]


def start(folder, port=0, **variables):
    """The program on an artifact's folder, in a process of its own."""
    environment = os.environ | {
        "SAGEMAKER_BASE_DIR": str(folder.parent),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "hosting", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def served(make_artifact, free_port):
    """A served artifact: (process, address), answering its ping."""
    process = start(make_artifact(), free_port)
    try:
        yield process, healthy(process, f"http://127.0.0.1:{free_port}")
    finally:
        process.kill()
        process.communicate(timeout=10)


def healthy(process, address):
    """The address, once /ping answers."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read()
        try:
            if httpx.get(f"{address}/ping", timeout=2).status_code == 200:
                return address
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("no /ping within 30 s")


def test_it_serves_until_sigterm_and_ends_well(served, red_photo):
    """Ping, a photo, then SIGTERM: 0 within seconds, and a log that names the model."""
    process, address = served
    reply = httpx.post(
        f"{address}/invocations", content=red_photo, headers={"Content-Type": "image/png"}
    )
    assert reply.status_code == 200
    assert reply.json()[0] > 0.9
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "serving model 0123456789ab: 3 classes, by onnxruntime-fp32" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("card", ["{", json.dumps({"version": "1"})])
def test_an_artifact_that_cannot_be_used_ends_it_with_the_reason(make_artifact, card):
    """1, the reason in one line on stderr, and no traceback."""
    process = start(make_artifact(card))
    output, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert output == ""
    assert log.startswith("ERROR model-card.json")
    assert "train the model again" in log
    assert "Traceback" not in log


def test_a_runtime_that_is_unknown_ends_it_with_what_there_is(make_artifact):
    """The operator's variable is named, with the values that it may have."""
    process = start(make_artifact(), SNAPSHELF_RUNTIME="fastest")
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert log.startswith("ERROR SNAPSHELF_RUNTIME=fastest: expected one of onnxruntime-fp32")
    assert "Traceback" not in log


def test_an_address_of_someone_elses_ends_it_with_the_reason(make_artifact):
    """1, naming the port, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(make_artifact(), port)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in log
    assert "Traceback" not in log
