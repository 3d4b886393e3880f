"""The page's two hosts on loopback: its bucket, and the real Chalice app before a scripted model."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from botocore.exceptions import ClientError
from chalice.config import Config
from chalice.local import LocalDevServer
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".build/screenshots"
LABELS = ["red", "green", "blue", "grey"]


class ScriptedModel:
    """Stands for boto3's `sagemaker-runtime`: names a photo's main colour, or fails as told.

    Attributes:
        photos: the bytes of each photo that arrived, as the endpoint would get them.
        faults: errors to raise, one a request, before photos are answered again.
        gate: while cleared, requests wait.
        unsure: whether every category gets about the same probability.
        unfamiliar: whether the photo counts as unlike anything seen.
        version: of the model.
        photo: size and fit of its pictures, as its card has them; None for a card without.
        tree: each category's levels, likewise.
    """

    def __init__(self) -> None:
        self.photos: list[bytes] = []
        self.faults: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.unsure = False
        self.unfamiliar = False
        self.version = "colours-1"
        self.photo: dict[str, Any] | None = None
        self.tree: dict[str, list[str]] = {}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        """InvokeEndpoint as the container's contract has it."""
        if "CustomAttributes" in request:
            card = {"classes": LABELS, "version": self.version, "network": "mean"}
            card |= {"threshold": 0.5, "tree": self.tree}
            return reply(card if self.photo is None else card | {"photo": self.photo})
        self.photos.append(request["Body"])
        self.gate.wait(20)
        if self.faults:
            raise self.faults.pop(0)
        trusted = {"verdict": "none", "reason": "unfamiliar"} if self.unfamiliar else {}
        return reply(
            {
                "probabilities": self._probabilities(request["Body"]),
                "labels": LABELS,
                "threshold": 0.5,
                "model_version": self.version,
                "model_latency_ms": 1.5,
            }
            | trusted
        )

    def _probabilities(self, photo: bytes) -> list[float]:
        if self.unsure:
            return [0.26, 0.25, 0.25, 0.24]
        pixels = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"), float)
        means = np.append(pixels.mean(axis=(0, 1)), 100.0) / 12
        scores = np.exp(means - means.max())
        return [float(score) for score in scores / scores.sum()]


class ScriptedStore:
    """Stands for the bucket of feedback; `kept` holds folder, photo and facts of each photo."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes, dict[str, str]]] = []

    def keep(self, folder: str, photo: Any, facts: dict[str, str]) -> str:
        """As `photo_store.PhotoStore.keep`."""
        self.kept.append((folder, photo.data, facts))
        return f"{folder}/{len(self.kept)}.jpg"


def reply(document: dict[str, Any]) -> dict[str, Any]:
    """InvokeEndpoint's answer with a JSON body."""
    return {"Body": io.BytesIO(json.dumps(document).encode())}


def model_error(status: int, words: dict[str, str]) -> ClientError:
    """What boto3 raises when the container answers `status`."""
    members = {"OriginalStatusCode": status, "OriginalMessage": json.dumps(words)}
    error = {"Error": {"Code": "ModelError", "Message": "Received client error"}, **members}
    return ClientError(error, "InvokeEndpoint")


def load_app() -> Any:
    """`lambda_fn/app.py` as a module of its own."""
    sys.path.insert(0, str(ROOT / "lambda_fn"))
    spec = importlib.util.spec_from_file_location("browser_lambda_app", ROOT / "lambda_fn/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bucket(SimpleHTTPRequestHandler):
    """The folder `web` under a bucket's path, as S3's path-style address has it."""

    prefix = "/shelf-page/"
    config: bytes

    def do_GET(self) -> None:
        """A file of the page, or the configuration that a deployment writes."""
        if self.path == f"{self.prefix}config.json":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(self.config)
        elif self.path.startswith(self.prefix):
            self.path = self.path.removeprefix(self.prefix[:-1])
            super().do_GET()
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    """A server answering from a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Stack:
    """The running stack: `url` of the page, `hosts` that it may speak to, `model` and `store`."""

    def __init__(self, url: str, api_url: str, app: Any) -> None:
        self.url = url
        self.api_url = api_url
        self.hosts = {url.split("/")[2], api_url.split("/")[2]}
        self._app = app
        app.endpoint = lambda _name="": app.Endpoint("shelf", self.model)
        app.store = lambda _bucket: self.store
        self.reset()

    def reset(self) -> None:
        """A model and a store that remember nothing, and no feedback."""
        self.model = ScriptedModel()
        self.store = ScriptedStore()
        self.take_feedback(on=False)

    def take_feedback(self, *, on: bool) -> None:
        """Whether the deployment keeps what people say of photos."""
        self._app.FEEDBACK_BUCKET = "shelf-artifacts" if on else ""


@contextlib.contextmanager
def running_stack() -> Iterator[Stack]:
    """The page's bucket and its API, each on a port that the system picks."""
    module = load_app()
    api = LocalDevServer(module.app, Config(), "127.0.0.1", 0).server
    api_url = f"http://127.0.0.1:{api.server_port}"
    config = json.dumps({"apiUrl": api_url}).encode()
    handler = type("ThisBucket", (Bucket,), {"config": config})
    bucket = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(ROOT / "web"))
    )
    page_url = f"http://127.0.0.1:{bucket.server_port}/shelf-page/index.html"
    stack = Stack(page_url, api_url, module)
    with serving(api), serving(bucket):
        yield stack
