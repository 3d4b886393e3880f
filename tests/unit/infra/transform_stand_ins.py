"""A tiny inference image for batch transform, and how its jobs are asked for."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from sagemaker_stand_ins import ROLE, tar_gz

from infra.images import SERVE, Image

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "tiny-batch:latest"

SCRIPT = """
import http.server, json, os, pathlib, sys, threading, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
assert sys.argv[1:] == ["serve"], sys.argv
lock, under_way, most, failures = threading.Lock(), 0, 0, {}

def answer_to(body, headers):
    if body == b"tell":
        told = {"environment": dict(os.environ), "headers": headers, "most": most,
                "model": (base / "model/model.txt").read_text()}
        return 200, json.dumps(told).encode()
    if body.startswith(b"slow"):
        time.sleep(float(body.split()[1]))
    if b"bad" in body:
        return 400, b"not a photo"
    if b"flaky" in body:
        failures[body] = failures.get(body, 0) + 1
        return (503, b"busy") if failures[body] < 3 else (200, b"in the end")
    if b"break" in body:
        return 500, b"out of order"
    if body == b"eat":
        held = b"x" * (200 << 20)
        time.sleep(60)
    if body == b"die":
        print("the last words", flush=True)
        os._exit(9)
    if os.environ.get("DO") == "count":  # a line of JSON for each line
        return 200, b"".join(b'{"length": %d}\\n' % len(line) for line in body.split(b"\\n"))
    if os.environ.get("DO") == "sum":  # a row of CSV for each row
        rows = [[float(x) for x in line.split(b",")] for line in body.split(b"\\n")]
        return 200, "\\n".join(f"{sum(row)},{len(row)}" for row in rows).encode()
    return 200, b"<" + body + b">"

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def log_message(self, *args): pass
    def do_GET(self):
        parameters = os.environ.get("PARAMETERS")
        if self.path == "/execution-parameters" and parameters is None:
            return self.answer(404, b"")
        self.answer(200, parameters.encode() if self.path == "/execution-parameters" else b"")
    def do_POST(self):
        global under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        headers = {k.lower(): v for k, v in self.headers.items()}
        status, text = answer_to(self.read(headers), headers)
        with lock:
            under_way -= 1
        print("asked", flush=True)
        self.answer(status, text)
    def read(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if os.environ.get("DO") == "exit":
    print("no licence found")
    sys.exit(2)
http.server.ThreadingHTTPServer(
    ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler
).serve_forever()
"""


def batch_image(folder: Path) -> Image:
    """The script as image `tiny-batch`."""
    path = folder / "tiny-batch.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return Image("tiny-batch", (sys.executable, str(path)), frozenset({SERVE}))


async def make_batch_model(client, **environment):
    """A model `batch` of the image."""
    client.objects.content["s3://shelf/models/batch.tar.gz"] = tar_gz({"model.txt": b"first"})
    container = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://shelf/models/batch.tar.gz",
        "Environment": environment,
    }
    await client.call(
        "CreateModel", ModelName="batch", PrimaryContainer=container, ExecutionRoleArn=ROLE
    )


def transform_request(name="job", *, uri="s3://shelf/in", data_type="S3Prefix", **changes):
    """CreateTransformJob's input; of `given` and `stored` the members of input and output."""
    source = {"S3DataType": data_type, "S3Uri": uri}
    return {
        "TransformJobName": name,
        "ModelName": "batch",
        "TransformInput": {"DataSource": {"S3DataSource": source}, **changes.pop("given", {})},
        "TransformOutput": {"S3OutputPath": "s3://shelf/out", **changes.pop("stored", {})},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    }


async def ended(client, name="job"):
    """A transform job's description once it has ended."""

    async def settled():
        job = await client.call("DescribeTransformJob", TransformJobName=name)
        return job if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return await client.until(settled)


def outputs(client):
    """What has been stored below the output path, by name."""
    start = "s3://shelf/out/"
    found = client.objects.content.items()
    return {uri.removeprefix(start): content for uri, content in found if uri.startswith(start)}


async def transform(client, objects, environment=None, **request):
    """Put objects below s3://shelf/in/, run a job over them, and give its end and its outputs."""
    for name, content in objects.items():
        client.objects.content[f"s3://shelf/in/{name}"] = content
    await make_batch_model(client, **(environment or {}))
    await client.call("CreateTransformJob", **transform_request(**request))
    return await ended(client), outputs(client)
