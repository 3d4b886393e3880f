"""The container layout: a private /opt/ml, an environment from nothing, an end for all children."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.sagemaker.containers import (
    Container,
    ContainerSpec,
    LayoutMode,
    _works,
    layout_mode,
)

TELL = """
import json, os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
(base / "made").write_text("x")
print(json.dumps({"base": str(base), "environment": dict(os.environ), "cwd": os.getcwd()}))
"""


def python(code, folder, layout, **environment):
    """A spec that runs Python code."""
    return ContainerSpec((sys.executable, "-c", code), folder, environment, layout)


async def run(spec):
    """Exit code and output of a container."""
    container = Container(spec, spec.folder.parent / "log")
    code = await container.wait()
    return code, container.log.read_text()


@pytest.fixture(params=list(LayoutMode))
def layout(request):
    """Every layout that this kernel allows."""
    if request.param is not LayoutMode.BASE_DIR and not _works(request.param):
        pytest.skip(f"not allowed by this kernel: {request.param.value}")
    return request.param


def test_a_container_sees_its_folder_as_opt_ml_and_the_host_sees_nothing(tmp_path, layout):
    """What it writes is in its folder; the host's /opt is as it was."""
    before = sorted(Path("/opt").iterdir())
    code, output = asyncio.run(run(python(TELL, tmp_path / "c", layout)))
    assert code == 0, output
    told = json.loads(output)
    assert (tmp_path / "c/ml/made").read_text() == "x"
    assert told["cwd"] == str(tmp_path / "c/home")
    private = layout is not LayoutMode.BASE_DIR
    assert told["base"] == ("/opt/ml" if private else str(tmp_path / "c/ml"))
    assert ("SAGEMAKER_BASE_DIR" in told["environment"]) is not private
    assert sorted(Path("/opt").iterdir()) == before
    assert not any((tmp_path / "c/scratch").iterdir())


def test_two_containers_do_not_see_each_other(tmp_path):
    """Each has an /opt/ml of its own."""
    look = "import os; print(sorted(os.listdir(os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'))))"
    (tmp_path / "a/ml").mkdir(parents=True)
    (tmp_path / "a/ml/mine").touch()
    _, output = asyncio.run(run(python(look, tmp_path / "b", layout_mode())))
    assert output.strip() == "[]"


def test_no_variable_of_the_host_is_passed_on(tmp_path, monkeypatch):
    """Not even one that looks harmless; what the request sets is."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the host's")
    monkeypatch.setenv("HARMLESS", "1")
    spec = python(TELL, tmp_path / "c", layout_mode(), EPOCHS="3")
    _, output = asyncio.run(run(spec))
    environment = json.loads(output)["environment"]
    assert environment["EPOCHS"] == "3"
    assert environment["HOME"] == str(tmp_path / "c/home")
    assert not {"AWS_SECRET_ACCESS_KEY", "HARMLESS"} & environment.keys()


def test_stop_lets_a_container_end_by_itself(tmp_path, layout):
    """SIGTERM reaches the program itself, through every layout."""
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("tidied up", flush=True), sys.exit(7)))
print("ready", flush=True)
time.sleep(60)
"""
    assert asyncio.run(stopped(python(code, tmp_path / "c", layout), 10)) == (
        7,
        "ready\ntidied up\n",
    )


def test_stop_kills_what_does_not_end(tmp_path, layout):
    """After the grace, and its children with it."""
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
    exit_code, output = asyncio.run(stopped(python(code, tmp_path / "c", layout), 0.2))
    assert exit_code == -9
    assert ends(int(output))


async def stopped(spec, grace):
    """Exit code and output of a container that is stopped once it has written a line."""
    container = Container(spec, spec.folder.parent / "log")
    for _ in range(500):
        if container.log.read_text().endswith("\n"):
            break
        await asyncio.sleep(0.02)
    return await container.stop(grace), container.log.read_text()


def ends(pid, within_seconds=10):
    """Whether a process that has been killed is gone: the kernel takes a moment over it."""
    deadline = time.monotonic() + within_seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_text(log):
    while not log.read_text():
        time.sleep(0.01)


def test_a_stop_that_is_cancelled_kills_the_container_all_the_same(tmp_path):
    """The plane may end while a job is being stopped: nobody would end its container later."""
    stubborn = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
time.sleep(60)
"""

    async def cancelled():
        spec = python(stubborn, tmp_path / "c", LayoutMode.BASE_DIR)
        container = Container(spec, tmp_path / "log")
        await asyncio.to_thread(await_text, tmp_path / "log")
        stopping = asyncio.create_task(container.stop(60))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        return container.exit_code

    assert asyncio.run(cancelled()) == -signal.SIGKILL


def test_a_container_dies_with_the_process_that_started_it(tmp_path, layout):
    """Even when that is killed, and whatever the layout does to the death signal."""
    host = f"""
import os, sys, time
from pathlib import Path
from infra.sagemaker.containers import *
spec = ContainerSpec((sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); "
                      "time.sleep(60)"), Path({str(tmp_path / "c")!r}), {{}}, LayoutMode.{layout.name})
log = Path({str(tmp_path / "log")!r})
Container(spec, log)
while not log.read_text():
    time.sleep(0.02)
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", host], cwd=root, check=False, timeout=60)
    pid = int((tmp_path / "log").read_text())
    for _ in range(100):
        if not alive(pid):
            break
        os.sched_yield()
        asyncio.run(asyncio.sleep(0.02))
    assert not alive(pid)
