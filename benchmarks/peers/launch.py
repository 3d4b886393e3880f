"""Starts the endpoint, and the peers that an environment has, each with one worker."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

PEERS = Path(__file__).parent
ROOT = PEERS.parents[1]
START_SECONDS = 120
JAVA_PORTS = 32767
"""multi-model-server takes ports below it alone."""

STOP_SECONDS = 20

Send: TypeAlias = Callable[[], None]


@dataclass
class Server:
    """A server as the loops see it.

    Attributes:
        name: in the table.
        argv: its command line.
        path: that photos are posted to.
        encode: body and content type of a request, of a photo's bytes.
        cwd: where it is started.
        environment: beside this process's.
    """

    name: str
    argv: list[str]
    port: int
    path: str
    encode: Callable[[bytes], tuple[bytes, str]]
    cwd: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)

    def client(self, photos: Sequence[bytes], place: int = 0) -> Send:
        """A client with a connection of its own, which sends the next photo when called."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        turns = itertools.islice(itertools.cycle(map(self.encode, photos)), place, None)

        def send() -> None:
            body, kind = next(turns)
            connection.request("POST", self.path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            content = reply.read()
            if reply.status != http.HTTPStatus.OK:
                raise SystemExit(f"{self.name}: {reply.status} {content[:300]!r}")

        return send


def find_servers(
    folder: Path, threads: int, python: Path | None, scratch: Path
) -> tuple[list[Server], list[str]]:
    """Ours, and the peers that the environment has; the names of those that it lacks."""
    ours = Server(
        "snapshelf",
        [sys.executable, "-m", "hosting", "serve"],
        free_port(),
        "/invocations",
        lambda photo: (photo, "image/jpeg"),
        environment={"SAGEMAKER_BASE_DIR": str(folder.parent)},
    )
    ours.environment |= {"SAGEMAKER_BIND_TO_PORT": str(ours.port)}
    if python is None:
        return [ours], ["litserve", "bentoml", "mlflow", "multi-model-server"]
    shared = {
        "PEER_MODEL": str(folder),
        "PEER_THREADS": str(threads),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{PEERS}",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    made = {
        "litserve": litserve_server,
        "bentoml": bentoml_server,
        "mlflow": mlflow_server,
        "multi-model-server": mms_server,
    }
    has = {
        "litserve": "litserve",
        "bentoml": "bentoml",
        "mlflow": "mlflow",
        "multi-model-server": "mms",
    }
    servers, missing = [ours], []
    for name, make in made.items():
        check = [str(python), "-c", f"import {has[name]}"]
        if subprocess.run(check, capture_output=True, check=False).returncode:
            missing.append(name)
        else:
            servers.append(make(python, scratch, shared))
    return servers, missing


def litserve_server(python: Path, _scratch: Path, environment: dict[str, str]) -> Server:
    """Base64 in JSON: it takes no bytes, and hands no form's file on to its worker."""
    port = free_port()
    argv = [str(python), str(PEERS / "litserve_peer.py"), str(port)]
    encode = functools.partial(as_json, "photos")
    return Server("litserve", argv, port, "/predict", encode, PEERS, environment)


def bentoml_server(python: Path, scratch: Path, environment: dict[str, str]) -> Server:
    """Base64 in JSON."""
    port = free_port()
    argv = [
        *(str(python.parent / "bentoml"), "serve", "bentoml_peer:Photos"),
        *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(PEERS)),
    ]
    quiet = {"BENTOML_HOME": str(scratch / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
    encode = functools.partial(as_json, "photos")
    return Server("bentoml", argv, port, "/classify", encode, PEERS, environment | quiet)


def mlflow_server(python: Path, scratch: Path, environment: dict[str, str]) -> Server:
    """Base64 in JSON; one worker, as everywhere."""
    port, folder = free_port(), scratch / "mlflow-model"
    environment = os.environ | environment
    subprocess.run(
        [str(python), str(PEERS / "mlflow_peer.py"), str(folder)],
        cwd=scratch,
        env=environment,
        check=True,
        capture_output=True,
    )
    argv = [
        *(str(python.parent / "mlflow"), "models", "serve", "-m", str(folder)),
        *("--env-manager", "local", "--port", str(port), "--workers", "1"),
    ]
    encode = functools.partial(as_json, "inputs")
    return Server("mlflow", argv, port, "/invocations", encode, scratch, environment)


def mms_server(python: Path, scratch: Path, environment: dict[str, str]) -> Server:
    """A photo's bytes; one worker, as everywhere."""
    port, folder = free_port(JAVA_PORTS), scratch / "mms" / "photos"
    (folder / "MAR-INF").mkdir(parents=True)
    shutil.copy(PEERS / "mms_peer.py", folder)
    manifest = {
        "specificationVersion": "1.0",
        "implementationVersion": "1.0",
        "modelServerVersion": "1.0",
        "runtime": "python",
        "model": {"modelName": "photos", "handler": "mms_peer:handle"},
    }
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    settings = folder.parent / "config.properties"
    settings.write_text(
        f"inference_address=http://127.0.0.1:{port}\n"
        f"management_address=http://127.0.0.1:{free_port(port)}\n"
        "default_workers_per_model=1\npreload_model=false\n"
        "prefer_direct_buffer=false\n"
    )
    argv = [
        *(str(python.parent / "multi-model-server"), "--start", "--foreground"),
        *("--model-store", str(folder.parent), "--models", "photos=photos"),
        *("--mms-config", str(settings)),
    ]
    return Server(
        "multi-model-server",
        argv,
        port,
        "/predictions/photos",
        lambda photo: (photo, "image/jpeg"),
        folder.parent,
        environment,
    )


def as_json(member: str, photo: bytes) -> tuple[bytes, str]:
    """A list of one photo as base64."""
    return json.dumps({member: [base64.b64encode(photo).decode()]}).encode(), "application/json"


def start(server: Server, log: Path) -> Callable[[], None]:
    """Start it in a group of its own; what ends the group."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            server.argv,
            cwd=server.cwd,
            env=os.environ | server.environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )

    def stop() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    return stop


def wait_for(servers: Sequence[Server], photo: bytes) -> None:
    """Until each answers the photo."""
    deadline = time.monotonic() + START_SECONDS
    for server in servers:
        while (fault := find_fault(server, photo)) is not None:
            if time.monotonic() > deadline:
                raise SystemExit(f"{server.name} did not serve within {START_SECONDS} s: {fault}")
            time.sleep(0.2)


def find_fault(server: Server, photo: bytes) -> Exception | SystemExit | None:
    """What keeps it from answering the photo; None where it answers."""
    try:
        server.client([photo])()
    except (OSError, http.client.HTTPException, SystemExit) as error:
        return error
    return None


def free_port(below: int = 65536) -> int:
    """A port that nobody listens on: the system's choice, or the highest below a bound."""
    for port in (0, *range(below - 1, 1024, -1)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if (found := int(probe.getsockname()[1])) < below:
                return found
    raise SystemExit(f"no free port below {below}")
