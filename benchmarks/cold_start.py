"""Cold start of the function, as `snapshelf deploy` and `package` build it, beside bare ones.

    python benchmarks/cold_start.py MODEL PHOTO [--rounds 15]

MODEL is an artifact (model.tar.gz), PHOTO any JPEG. Each start is a process of the Python that
stands for Lambda's runtime, with the unpacked bundle and that runtime's own packages on its path
and nothing of this environment; it writes no bytecode, as Lambda's disk takes none. Times are from
the process's first statement: until the handler is imported, and until the first photo is answered.
Starts of all kinds are taken in turn; medians. In processor time, which other work on the machine
sways less, the interpreter's own start is counted too. Files are in the system's cache, and neither
Lambda's machine nor the way of the zip to it are part of any figure.

    endpoint      the function that asks an endpoint: here this process, which answers by the model
    model inside  `--lambda-only`
    Chalice       an application that greets, with the same router
    boto3         a handler that imports boto3 and makes the endpoint's client with it
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosting.invocations import invoke
from hosting.model import Model
from infra.deploy.bundle import build_bundle
from infra.deploy.model_bundle import MODEL_FOLDER, build_model_bundle
from infra.images import FUNCTION_PROGRAM
from infra.sagemaker.artifacts import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

LAMBDA_PYTHON = Path(sys.prefix, "lambda-runtime", "bin", "python")
SLOWEST = 10
MEGABYTE = 1_000_000

START = """
import time
start = time.perf_counter()
import json, sys
from pathlib import Path
sys.path.insert(0, "")
import app
imported = time.perf_counter()
answer = app.app(json.loads(Path(sys.argv[1]).read_text()), None)
answered = time.perf_counter()
assert answer["statusCode"] == 200, answer
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "import_ms": (imported - start) * 1000,
    "first_event_ms": (answered - imported) * 1000,
    "processor_ms": time.process_time() * 1000,
    "peak_mb": int(status["VmHWM"].split()[0]) / 1000,
    "modules": len(sys.modules),
}))
"""

GREETING = """
from chalice import Chalice
app = Chalice(app_name="greeting")
@app.route("/", methods=["GET"])
def greet():
    return {"hello": "world"}
"""

CLIENT = """
import boto3
client = boto3.client("sagemaker-runtime")
def app(event, context):
    return {"statusCode": 200}
"""


@dataclass(frozen=True)
class Function:
    """An unpacked bundle, the event that it answers, and what its environment has beside."""

    task: Path
    event: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    zip_mb: float | None = None

    def start(self, scratch: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """One cold start, to its end."""
        event = scratch / "event.json"
        event.write_text(json.dumps(self.event))
        return subprocess.run(
            [str(LAMBDA_PYTHON), "-B", *options, "-c", START, str(event)],
            cwd=self.task,
            env={
                "PATH": os.defpath,
                "LAMBDA_TASK_ROOT": str(self.task),
                "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
                "AWS_LAMBDA_FUNCTION_NAME": "snapshelf-api",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "cold",
                "AWS_SECRET_ACCESS_KEY": "start",
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def measure(self, scratch: Path) -> dict[str, float]:
        """Milliseconds, megabytes and modules of one start."""
        ended = self.start(scratch)
        if ended.returncode:
            raise SystemExit(f"{self.task.name} does not start: {ended.stderr}")
        return json.loads(ended.stdout.splitlines()[-1])  # type: ignore[no-any-return]

    def packages(self, scratch: Path) -> dict[str, float]:
        """The packages whose modules take longest to import, by themselves: milliseconds."""
        found: collections.Counter[str] = collections.Counter()
        for line in self.start(scratch, "-X", "importtime").stderr.splitlines():
            times, _, name = line.rpartition("|")
            own = times.removeprefix("import time:").partition("|")[0].strip()
            if own.isdigit():
                found[name.strip().partition(".")[0]] += int(own)
        return {name: round(took / 1000, 1) for name, took in found.most_common(SLOWEST)}

    def sizes(self) -> dict[str, float]:
        """Megabytes of the zip, where there is one, and unpacked."""
        unpacked = sum(path.stat().st_size for path in self.task.rglob("*") if path.is_file())
        packed = {} if self.zip_mb is None else {"zip_mb": round(self.zip_mb, 2)}
        return {**packed, "unpacked_mb": round(unpacked / MEGABYTE, 2)}


def main() -> None:
    """Build, start in turn, and print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        with answering(arguments.model, scratch / "served") as url:
            functions = build(arguments.model, arguments.photo.read_bytes(), url, scratch)
            found: dict[str, list[dict[str, float]]] = {name: [] for name in functions}
            for _ in range(arguments.rounds):
                for name, function in functions.items():
                    found[name].append(function.measure(scratch))
            figures = {
                name: {
                    **medians(found[name]),
                    **function.sizes(),
                    "import_ms_by_package": function.packages(scratch),
                }
                for name, function in functions.items()
            }
    machine = {"cores": os.cpu_count(), "load_before": load, "load_after": os.getloadavg()[0]}
    print(json.dumps({**figures, "machine": machine}, indent=1))


def build(artifact: Path, photo: bytes, url: str, scratch: Path) -> dict[str, Function]:
    """The functions, unpacked."""
    build_dir = scratch / "build"
    proxy = build_bundle(allowed_origin="*", build_dir=build_dir).package
    whole = build_model_bundle(proxy, artifact, build_dir).package
    asked, greeted = event("POST", "/classify", photo), event("GET", "/")
    asking = {"ENDPOINT_NAME": "shop", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url}
    holding = {"MODEL_PROGRAM": FUNCTION_PROGRAM, "MODEL_FOLDER": MODEL_FOLDER}
    greeting = extract(proxy, scratch / "chalice", "chalice/")
    (greeting / "app.py").write_text(GREETING)
    client = scratch / "boto3"
    client.mkdir()
    (client / "app.py").write_text(CLIENT)
    size = {path: path.stat().st_size / MEGABYTE for path in (proxy, whole)}
    return {
        "endpoint": Function(extract(proxy, scratch / "endpoint"), asked, asking, size[proxy]),
        "model inside": Function(extract(whole, scratch / "model"), asked, holding, size[whole]),
        "Chalice": Function(greeting, greeted),
        "boto3": Function(client, greeted),
    }


def extract(package: Path, folder: Path, below: str = "") -> Path:
    """Unpack a zip, or the part of it below a folder; where to."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(below)])
    return folder


def event(method: str, path: str, body: bytes = b"") -> dict[str, Any]:
    """What API Gateway's proxy integration hands a function; a body is a JPEG."""
    headers = {"Content-Type": "image/jpeg"} if body else {}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"resourcePath": path, "httpMethod": method, "requestId": "cold"},
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


@contextlib.contextmanager
def answering(artifact: Path, folder: Path) -> Iterator[str]:
    """An endpoint of the model at an address of this process's."""
    folder.mkdir()
    unpack(artifact, folder)
    model = Model.load(folder, threads=len(os.sched_getaffinity(0)))

    class InvokeEndpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer as the container."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind, accept = self.headers["Content-Type"], self.headers["Accept"]
            reply = invoke(model, body, content_type=kind, accept=accept)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), InvokeEndpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def medians(starts: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure, one digit behind the point."""
    return {name: round(statistics.median(each[name] for each in starts), 1) for name in starts[0]}


if __name__ == "__main__":
    main()
