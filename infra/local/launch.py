"""Start, find and stop a local cloud from another program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

from contracts import DeployError
from infra import processes
from infra.local import record
from infra.local.record import CloudInfo
from infra.local.settings import DEFAULT_HOST, DEFAULT_PORT, CloudSettings, lambda_python

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CloudInfo", "start", "status", "stop"]

LOG_FILE = "cloud.log"
_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 5

_own_children: dict[int, subprocess.Popen[bytes]] = {}
"""Clouds that this process started, by process id: it has to reap them when they end."""


def start(
    state: Path,
    port: int = DEFAULT_PORT,
    host: str = DEFAULT_HOST,
    timeout_seconds: float = 60,
    *,
    attached: bool = False,
) -> CloudInfo:
    """The cloud of this state folder: the running one, or a new one, ready to answer.

    Args:
        state: its folder; its log is `cloud.log` there.
        port: 0 lets the system choose.
        host: the address to listen on.
        timeout_seconds: how long a new cloud may take until it answers.
        attached: the cloud ends with the thread that calls this; else it outlives the caller.

    Raises:
        DeployError: the port is taken, the cloud runs on another port, or it did not come up.
    """
    state = state.resolve()
    running = status(state)
    if running is not None:
        return _same(running, port)
    _refuse_taken_port(host, port)
    CloudSettings(state, port, host, lambda_python(os.environ))  # refuse what it would refuse
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "infra.local"]
    argv += ["--port", str(port), "--host", host, "--state", str(state)]
    with (state / LOG_FILE).open("wb") as log:
        if attached:
            process = processes.spawn(argv, env=os.environ, stdout=log)
        else:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    return _await_ready(process, state, timeout_seconds)


def stop(state: Path, timeout_seconds: float = 20) -> bool:
    """End the cloud of this state folder, with all that it started; False if none runs.

    Raises:
        DeployError: it is still there after `timeout_seconds`.
    """
    state = state.resolve()
    _reap_ended()
    running = record.read(state)
    if running is None:
        return False
    started = record.start_time(running.pid)
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while record.start_time(running.pid) == started is not None:
        if time.monotonic() > deadline:
            raise DeployError(
                f"the local cloud (process {running.pid}) did not end in {timeout_seconds:g} s",
                hint=f"read {state / LOG_FILE}, then end it with `kill -9 {running.pid}`",
            )
        time.sleep(_POLL_SECONDS)
    _reap_ended()
    return True


def status(state: Path) -> CloudInfo | None:
    """The cloud that runs on this state folder and answers; None for none."""
    running = record.read(state.resolve())
    return running if running is not None and _is_healthy(running.endpoint_url) else None


def answers(port: int) -> bool:
    """Whether a local cloud, of whatever folder, answers on a port of loopback."""
    return _is_healthy(f"http://{DEFAULT_HOST}:{port}")


def _reap_ended() -> None:
    for process in [each for each in _own_children.values() if each.poll() is not None]:
        del _own_children[process.pid]


def _same(running: CloudInfo, port: int) -> CloudInfo:
    if port not in (0, running.port):
        raise DeployError(
            f"port {port}: the cloud of {running.state} already runs on port {running.port}",
            hint=f"use port {running.port}, stop it with `snapshelf down`, or pass another --state",
        )
    return running


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DeployError(
                f"port {port} on {host}: the local cloud cannot listen there ({error.strerror})",
                hint="end the program that holds the port (another cloud: `snapshelf down` with"
                " its --state; LocalStack: stop it), or pass another --port",
            ) from error


def _await_ready(
    process: subprocess.Popen[bytes], state: Path, timeout_seconds: float
) -> CloudInfo:
    try:
        running = _poll_ready(process, state, timeout_seconds)
    except BaseException:  # Ctrl-C while it starts leaves no cloud behind either
        processes.stop(process, grace_seconds=5)
        raise
    _own_children[process.pid] = process
    return running


def _poll_ready(process: subprocess.Popen[bytes], state: Path, timeout_seconds: float) -> CloudInfo:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        running = status(state)
        if running is not None and running.pid == process.pid:
            return running
        if process.poll() is not None:
            raise _not_up(state, f"it ended with exit code {process.returncode}")
        time.sleep(_POLL_SECONDS)
    raise _not_up(state, f"it did not answer within {timeout_seconds:g} s")


def _not_up(state: Path, reason: str) -> DeployError:
    log = (state / LOG_FILE).read_text("utf-8", errors="replace").strip().splitlines()
    tail = "\n".join(log[-_LOG_TAIL_LINES:])
    return DeployError(
        f"the local cloud did not start: {reason}\n{tail}", hint=f"read {state / LOG_FILE}"
    )


def _is_healthy(endpoint_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint_url}/_snapshelf/health", timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(json.load(answer)["status"] == "running")
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return False
