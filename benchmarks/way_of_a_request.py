"""What gateway, Lambda and proxy each add to a photo's way to the model, and how soon it is open.

    python benchmarks/way_of_a_request.py MODEL PHOTO [--rounds 200] [--seconds 4]

MODEL is an artifact (model.tar.gz), PHOTO any JPEG. A local cloud of its own is started, the model
deployed in it, and the same photo sent by the same client in four ways, each of which is the one
before and one more part of the cloud: to the endpoint's process, through InvokeEndpoint, through
the function (Lambda's Invoke), through the REST API. Ways are taken in turn, so that whatever else
runs on the machine burdens all of them alike. Then 1, 4 and 16 clients send without a pause. Where
other programs run beside, processor time is the steadier figure; it has no client's in it.

The clients' own work is part of every figure: they are threads of this process, on the same cores.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import httpx

from contracts import JSON_VERBOSE
from infra.deploy.deployment import Deployment, deploy
from infra.deploy.options import DeployOptions
from infra.local import launch
from infra.targets import resolve_target

NAME = "way"
CLIENTS = (1, 4, 16)
WARM_UP = 10
"""Requests that open connections and warm the function, before time is taken."""
PORT_VARIABLE = b"SAGEMAKER_BIND_TO_PORT="
Send: TypeAlias = Callable[[], None]


@dataclass(frozen=True)
class Way:
    """An HTTP request that has the photo classified."""

    port: int
    path: str
    headers: dict[str, str]
    body: bytes

    def client(self) -> Send:
        """A client with a connection of its own, which sends once when called."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

        def send() -> None:
            connection.request("POST", self.path, self.body, self.headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != http.HTTPStatus.OK or b"robabilit" not in content:
                raise SystemExit(f"{self.path}: {answer.status} {content[:300]!r}")

        return send


def main() -> None:
    """Start, deploy, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--seconds", type=float, default=4, help="for each way and count of clients"
    )
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        try:
            figures = measure(state, arguments)
        finally:
            launch.stop(state)
    machine = {"cores": os.cpu_count(), "load_before": load, "load_after": os.getloadavg()[0]}
    print(json.dumps({**figures, "machine": machine}, indent=1))


def measure(state: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures: seconds, milliseconds, requests a second."""
    began = time.monotonic()
    info = launch.start(state, port=0, attached=True)
    up = time.monotonic() - began
    deployment = deploy(
        NAME,
        resolve_target("local", port=info.port, environ={}),
        DeployOptions(arguments.model),
        lambda *_: None,
    )
    photo = arguments.photo.read_bytes()
    first_answer(deployment, photo)
    deployed = time.monotonic() - began
    launch.stop(state)
    began = time.monotonic()
    info = launch.start(state, port=info.port, attached=True)
    first_answer(deployment, photo)
    again = time.monotonic() - began
    ways = find_ways(info.port, endpoint_port(info.pid), deployment, photo)
    return {
        "seconds": {
            "up": round(up, 2),
            "up_to_first_answer_with_a_new_deployment": round(deployed, 2),
            "up_to_first_answer_of_a_deployment_that_stands": round(again, 2),
        },
        "milliseconds": latencies(ways, arguments.rounds),
        "processor_milliseconds": processor_times(ways, arguments.rounds, info.pid),
        "requests_a_second": throughputs(ways, arguments.seconds),
    }


def first_answer(deployment: Deployment, photo: bytes) -> None:
    """Post the photo to the API until it is answered."""
    headers = {"Content-Type": "image/jpeg", "Accept": "application/json"}
    while True:
        reply = httpx.post(
            f"{deployment.api_url}/classify", content=photo, headers=headers, timeout=60
        )
        if reply.is_success:
            return
        time.sleep(0.05)


def endpoint_port(cloud: int) -> int:
    """Where the endpoint's process listens: it is a descendant of the cloud's, and was told."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            variables = (entry / "environ").read_bytes().split(b"\0")
            found = [one for one in variables if one.startswith(PORT_VARIABLE)]
            if found and b"hosting" in command and descends(int(entry.name), cloud):
                return int(found[0].removeprefix(PORT_VARIABLE))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    raise SystemExit("the endpoint's process is not to be found in /proc")


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process was started by another, or by one that that one started."""
    while pid not in (0, ancestor):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == ancestor


def find_ways(port: int, model_port: int, deployment: Deployment, photo: bytes) -> dict[str, Way]:
    """The four ways, each with one part more than the one before."""
    plain = {"Content-Type": "image/jpeg", "Accept": JSON_VERBOSE}
    api = httpx.URL(deployment.api_url)
    event = proxy_event(photo)
    return {
        "container": Way(model_port, "/invocations", plain, photo),
        "invoke_endpoint": Way(
            port, f"/endpoints/{NAME}/invocations", plain | signed("sagemaker"), photo
        ),
        "lambda_invoke": Way(
            port,
            f"/2015-03-31/functions/{NAME}-api/invocations",
            signed("lambda"),
            json.dumps(event).encode(),
        ),
        "rest_api": Way(
            port,
            f"{api.path}/classify",
            {
                "Content-Type": "image/jpeg",
                "Accept": "application/json",
                "Host": api.netloc.decode(),
            },
            photo,
        ),
    }


def signed(service: str) -> dict[str, str]:
    """What the cloud reads of a signature: whose request it is, and for which service."""
    scope = f"test/20261124/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}


def proxy_event(photo: bytes) -> dict[str, Any]:
    """API Gateway's event for a photo that is posted to /classify."""
    headers = {"content-type": "image/jpeg", "accept": "application/json"}
    context = {"resourcePath": "/classify", "httpMethod": "POST", "path": "/api/classify"}
    context |= {"stage": "api", "requestId": "benchmark"}
    return {
        "resource": "/classify",
        "path": "/classify",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context | {"identity": {"sourceIp": "127.0.0.1"}},
        "body": base64.b64encode(photo).decode(),
        "isBase64Encoded": True,
    }


def latencies(ways: dict[str, Way], rounds: int) -> dict[str, Any]:
    """One request at a time, the ways in turn."""
    senders = {name: way.client() for name, way in ways.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + WARM_UP):
        for name, send in senders.items():
            start = time.perf_counter()
            send()
            if number >= WARM_UP:
                took[name].append((time.perf_counter() - start) * 1000)
    medians = {name: statistics.median(times) for name, times in took.items()}
    names = list(ways)
    added = {
        label: medians[after] - medians[before]
        for label, before, after in (
            ("proxy", names[0], names[1]),
            ("lambda", names[1], names[2]),
            ("gateway", names[2], names[3]),
            ("whole_way", names[0], names[3]),
        )
    }
    return {
        "median": rounded(medians),
        "p95": rounded({name: statistics.quantiles(t, n=20)[-1] for name, t in took.items()}),
        "added_at_the_median": rounded(added),
        "median_as_ratio": rounded(
            {name: one / medians[names[0]] for name, one in medians.items()}
        ),
    }


def processor_times(ways: dict[str, Way], rounds: int, cloud: int) -> dict[str, float]:
    """What a request costs the cloud and all its processes: hardly moved by what runs beside."""
    found = {}
    for name, way in ways.items():
        send = way.client()
        before = processor_seconds(cloud)
        for _ in range(rounds):
            send()
        found[name] = (processor_seconds(cloud) - before) / rounds * 1000
    return rounded(found)


def processor_seconds(cloud: int) -> float:
    """Of the cloud's process and its descendants until now, in user and system mode."""
    ticks = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if descends(int(entry.name), cloud):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def throughputs(ways: dict[str, Way], seconds: float) -> dict[str, dict[str, float]]:
    """Requests a second of each way with so many clients; the ways in turn."""
    found: dict[str, dict[str, float]] = {name: {} for name in ways}
    for clients in CLIENTS:
        for name, way in ways.items():
            found[name][f"{clients}_clients"] = round(throughput(way, clients, seconds), 1)
    return found


def throughput(way: Way, clients: int, seconds: float) -> float:
    """Requests a second while `clients` send, each its next when the last is answered.

    All of them have sent a few before time is taken, for workers start when several come at once.
    """
    done = [0] * clients
    warm = threading.Barrier(clients + 1)

    def work(place: int) -> None:
        send = way.client()
        for _ in range(WARM_UP):
            send()
        warm.wait()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            send()
            done[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    warm.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Two digits behind the point."""
    return {name: round(value, 2) for name, value in figures.items()}


if __name__ == "__main__":
    main()
