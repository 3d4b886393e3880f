"""A plane in process for tests: S3 and CloudWatch Logs in memory, tiny scripts as images."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import sys
import tarfile
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import httpx

from infra.images import SERVE, TRAIN, Image, ImageRegistry
from infra.sagemaker.context import Timing
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.plane import SageMakerPlane

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::000000000000:role/SageMaker"
TRAIN_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/tiny-train:1"
SERVE_IMAGE = "tiny-serve:latest"

QUICK = Timing(
    healthy_within=10,
    invocation=2,
    training_stop=2,
    serving_stop=2,
    ping=1,
    ping_interval=0.1,
    hung_after=3,
    start_poll=0.03,
    restart_delay=0.05,
    wait_for_healthy=5,
    log_interval=0.05,
    checkpoint_interval=0.1,
    upload_retry=0.01,
    shutdown=0.5,
)

TRAIN_SCRIPT = """
import json, os, pathlib, signal, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
assert sys.argv[1:] == ["train"], sys.argv
config = base / "input/config"
hyperparameters = json.loads((config / "hyperparameters.json").read_text())
seen = {path.name: json.loads(path.read_text()) for path in config.iterdir()}
seen["environment"] = dict(os.environ)
seen["files"] = sorted(str(p.relative_to(base / "input/data"))
                       for p in (base / "input/data").rglob("*") if p.is_file())
seen["checkpoints"] = sorted(p.name for p in (base / "checkpoints").iterdir())
(base / "model/seen.json").write_text(json.dumps(seen))
print("Epoch[0] Validation-accuracy=0.5")
print("Epoch[1] Validation-accuracy=0.75", flush=True)
match hyperparameters.get("do"):
    case "fail":
        (base / "output/failure").write_text("x" * 3000)
        sys.exit(3)
    case "crash":
        print("the last words")
        sys.exit(4)
    case "sleep":
        (base / "checkpoints/epoch-1").write_text("weights")
        print("sleeping", flush=True)
        time.sleep(60)
    case "sleep once":
        if not seen["checkpoints"]:
            (base / "checkpoints/epoch-1").write_text("weights")
            print("sleeping", flush=True)
            time.sleep(60)
    case "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("sleeping", flush=True)
        time.sleep(60)
    case "data":
        (base / "output/data/report.txt").write_text("report")
"""

HOST_IMAGE = "tiny-host:latest"
HOST_SCRIPT = """
import json, os, pathlib, signal, socket, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config, data = base / "input/config", base / "input/data"
settings = json.loads((config / "hyperparameters.json").read_text())
resources = json.loads((config / "resourceconfig.json").read_text())
host = resources["current_host"]
told = {"resources": resources, "environment": dict(os.environ), "found_at": {}, "epochs": []}
for name in resources["hosts"]:
    try:
        told["found_at"][name] = socket.gethostbyname(name)
    except OSError:
        told["found_at"][name] = None
told["files"] = {str(p.relative_to(data)): p.read_text() for p in data.rglob("*") if p.is_file()}
told["checkpoints"] = sorted(p.name for p in (base / "checkpoints").iterdir())
for epoch in range(int(settings.get("epochs", 0))):
    with (data / f"train_{epoch}").open("rb") as pipe:
        told["epochs"].append(pipe.read(int(settings.get("bytes", -1))).hex())
(base / f"model/{host}.json").write_text(json.dumps(told))
(base / "model/shared").write_text(host)
(base / f"output/data/{host}").write_text("report")
(base / f"checkpoints/{host}").write_text("weights")
def end(*_):
    (base / f"model/{host}.stopped").write_text("")
    if "reads" in settings:
        (base / "checkpoints/last").write_text("at SIGTERM")
    sys.exit(0)
if "seconds" in settings:  # before it is heard of, since a test may then stop it
    signal.signal(signal.SIGTERM, end)
print("hello from", host, flush=True)
if settings.get("fails") == host:
    (base / "output/failure").write_text(f"{host} has no licence")
    sys.exit(3)
if settings.get("dies") == host:
    os.kill(os.getpid(), signal.SIGKILL)
if "seconds" in settings:
    if "reads" in settings:
        pipe = (data / "train_0").open("rb")
    time.sleep(float(settings["seconds"]))
"""

SERVE_SCRIPT = """
import http.server, json, os, pathlib, sys, threading, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
assert sys.argv[1:] == ["serve"], sys.argv
do = os.environ.get("DO", "")
model = base / "model/model.txt"
if do == "exit":
    print("no licence found")
    sys.exit(2)
hung = ending = False

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def log_message(self, *args): pass
    def parse_request(self):  # a process that is ending accepts, and answers no more
        return not ending and super().parse_request()
    def do_GET(self):
        if hung:
            time.sleep(60)
        self.answer(503 if do == "unhealthy" else 200, b"")
    def do_POST(self):
        global hung, ending
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if body == b"die":
            os._exit(9)
        if body == b"end slowly":
            ending = True
            threading.Timer(0.3, os._exit, [9]).start()
            self.close_connection = True
            return
        if body == b"hang":
            hung = True
        if body == b"slow":
            time.sleep(60)
        if body == b"wait":
            time.sleep(0.5)
        if body == b"bad":
            return self.answer(400, b"not a photo")
        if body == b"break":
            return self.answer(500, b"out of order")
        told = {"model": model.read_text() if model.exists() else None, "body": len(body),
                "headers": {k.lower(): v for k, v in self.headers.items()}, "pid": os.getpid()}
        print("invoked", flush=True)
        self.answer(200, json.dumps(told).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if attributes := self.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.send_header("X-Secret", "stays inside")
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(
    ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler
).serve_forever()
"""


class MemoryObjects:
    """S3 in memory."""

    def __init__(self):
        self.content: dict[str, bytes] = {}
        self.up = True
        self.downloads = 0

    def reachable(self):
        return self.up

    def keys(self, prefix):
        start = str(prefix)
        self._bucket(prefix)
        return sorted(S3Location.parse(uri).key for uri in self.content if uri.startswith(start))

    def exists(self, location):
        return str(location) in self.content

    def download(self, location, path: Path, on_piece=None):
        if str(location) not in self.content:
            raise StorageError(f"{location}: NoSuchKey")
        if on_piece:
            on_piece()
        self.downloads += 1
        path.write_bytes(self.content[str(location)])

    def read(self, location):
        if str(location) not in self.content:
            raise StorageError(f"{location}: NoSuchKey")
        content = self.content[str(location)]
        yield from (content[at : at + 1000] for at in range(0, len(content), 1000))

    def upload(self, path: Path, location):
        self._bucket(location)
        self.content[str(location)] = path.read_bytes()

    def delete(self, location):
        self.content.pop(str(location), None)

    def _bucket(self, location):
        if location.bucket != "shelf":
            raise StorageError(f"{location}: NoSuchBucket")

    def tar(self, uri: str) -> dict[str, bytes]:
        """The files of a stored .tar.gz."""
        with tarfile.open(fileobj=io.BytesIO(self.content[uri])) as archive:
            files = [member for member in archive if member.isfile()]
            return {member.name: archive.extractfile(member).read() for member in files}


class MemoryLogs:
    """CloudWatch Logs in memory: lines by group and stream."""

    def __init__(self):
        self.lines: dict[tuple[str, str], list[str]] = {}
        self.up = True
        self.lock = threading.Lock()

    def put(self, group, stream, lines):
        with self.lock:
            if self.up:
                self.lines.setdefault((group, stream), []).extend(lines)
            return self.up

    def of(self, group: str) -> list[str]:
        """All lines of a group."""
        with self.lock:
            return [
                line for (one, _), lines in self.lines.items() if one == group for line in lines
            ]


class AwsError(Exception):
    """An error answer: its code, and all its members."""

    def __init__(self, status, code, content):
        super().__init__(code, content)
        self.status, self.code, self.content = status, code, content
        self.message = content.get("message", content.get("Message"))


class PlaneClient:
    """Calls the plane's application in process."""

    def __init__(self, plane, objects, logs):
        self.plane, self.objects, self.logs = plane, objects, logs
        transport = httpx.ASGITransport(plane.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://sagemaker.test")

    async def call(self, operation, **parameters):
        """A control operation's answer."""
        target = {"x-amz-target": f"SageMaker.{operation}"}
        answer = await self.http.post("/", headers=target, content=json.dumps(parameters))
        content = answer.json()
        if answer.status_code != 200:
            raise AwsError(answer.status_code, content["__type"], content)
        return content

    async def invoke(self, endpoint, body=b"photo", **headers):
        """InvokeEndpoint's answer; keyword names become header names."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/endpoints/{endpoint}/invocations"
        answer = await self.http.post(path, content=body, headers=named)
        if answer.status_code != 200:
            code = answer.headers.get("x-amzn-errortype")
            raise AwsError(answer.status_code, code, answer.json())
        return answer

    async def until(self, check, *, seconds=15):
        """Wait until an awaitable check gives something true; that."""
        deadline = time.monotonic() + seconds
        while not (found := await check()):
            assert time.monotonic() < deadline, "it did not come about in time"
            await asyncio.sleep(0.02)
        return found

    async def job(self, name, *, status=("Completed", "Failed", "Stopped")):
        """A job's description once it has one of these statuses."""

        async def settled():
            job = await self.call("DescribeTrainingJob", TrainingJobName=name)
            return job if job["TrainingJobStatus"] in status else None

        return await self.until(settled)

    async def endpoint(self, name, *, status=("InService", "Failed")):
        """An endpoint's description once it has one of these statuses."""

        async def settled():
            endpoint = await self.call("DescribeEndpoint", EndpointName=name)
            return endpoint if endpoint["EndpointStatus"] in status else None

        return await self.until(settled)

    async def logged(self, group, text):
        """Wait until a line of a log group contains a text."""

        async def found():
            return any(text in line for line in self.logs.of(group))

        await self.until(found)


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A .tar.gz of these files, the same bytes whenever it is made."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="w", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def tiny_images(folder: Path) -> ImageRegistry:
    """The scripts as images `tiny-train`, `tiny-host` and `tiny-serve`."""
    images = []
    for repository, command, script in (
        ("tiny-train", TRAIN, TRAIN_SCRIPT),
        ("tiny-host", TRAIN, HOST_SCRIPT),
        ("tiny-serve", SERVE, SERVE_SCRIPT),
    ):
        path = folder / f"{repository}.py"
        path.write_text(textwrap.dedent(script))
        images.append(Image(repository, (sys.executable, str(path)), frozenset({command})))
    return ImageRegistry(images)


@contextlib.asynccontextmanager
async def running_plane(folder: Path, *, objects=None, logs=None, timing=QUICK, layout=None):
    """A started plane and its client; stopped at the end."""
    objects, logs = objects or MemoryObjects(), logs or MemoryLogs()
    plane = SageMakerPlane(
        aws_endpoint_url="http://127.0.0.1:9",
        state_dir=folder / "state",
        images=tiny_images(folder),
        objects=objects,
        logs=logs,
        timing=timing,
        layout=layout,
    )
    await plane.start()
    client = PlaneClient(plane, objects, logs)
    try:
        yield client
    finally:
        await client.http.aclose()
        await plane.stop()


def job_request(name="job", **changes):
    """CreateTrainingJob's input, without channels."""
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": TRAIN_IMAGE, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://shelf/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def hosts_request(name="job", count=2, **changes):
    """CreateTrainingJob's input for `count` hosts of the image that tells what each saw."""
    request = job_request(name, **changes)
    request["AlgorithmSpecification"]["TrainingImage"] = HOST_IMAGE
    request["ResourceConfig"]["InstanceCount"] = count
    return request


def channel(name, uri, **changes):
    """An S3Prefix channel."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **changes}


async def make_model(client, name="model", *, text="first", **environment):
    """A model whose artifact holds one text file."""
    uri = f"s3://shelf/models/{name}.tar.gz"
    client.objects.content[uri] = tar_gz({"model.txt": text.encode()})
    container = {"Image": SERVE_IMAGE, "ModelDataUrl": uri, "Environment": environment}
    await client.call(
        "CreateModel", ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE
    )


async def make_config(client, name, *variants):
    """An endpoint configuration of (variant, model, weight[, count]) tuples."""
    described = [
        {
            "VariantName": variant,
            "ModelName": model,
            "InitialVariantWeight": weight,
            "InitialInstanceCount": rest[0] if rest else 1,
            "InstanceType": "ml.m5.large",
        }
        for variant, model, weight, *rest in variants
    ]
    await client.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=described)


async def make_endpoint(client, name="shelf", **environment):
    """An endpoint of one variant, in service."""
    await make_model(client, f"{name}-model", **environment)
    await make_config(client, f"{name}-config", ("AllTraffic", f"{name}-model", 1))
    await client.call("CreateEndpoint", EndpointName=name, EndpointConfigName=f"{name}-config")
    return await client.endpoint(name)
