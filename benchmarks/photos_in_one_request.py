"""How long the API takes over many small photos in one request: the refund department's batches.

    python benchmarks/photos_in_one_request.py MODEL [--photos 1000 5000] [--rounds 3]

MODEL is an artifact (model.tar.gz) or its folder. A local cloud of its own is started, the model
deployed in it, and photos of 28 x 28 pixels are sent to POST /process_batch, each of its own noise.
The seconds are the client's, the whole way. Run it in two checkouts in turn to compare them.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from infra.deploy.deployment import deploy
from infra.deploy.options import DeployOptions
from infra.local import launch
from infra.targets import resolve_target

SIDE = 28
WARM_UP = 50
"""Photos that start the function and its workers, before time is taken."""


def main() -> None:
    """Start, deploy, send, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--photos", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        try:
            info = launch.start(state, port=0, attached=True)
            target = resolve_target("local", port=info.port, environ={})
            deployment = deploy("photos", target, DeployOptions(arguments.model), lambda *_: None)
            figures = measure(deployment.api_url, arguments.photos, arguments.rounds)
        finally:
            launch.stop(state)
    print(json.dumps({"seconds": figures, "load": os.getloadavg()[0]}, indent=1))


def measure(api: str, counts: list[int], rounds: int) -> dict[int, dict[str, float | int]]:
    """Seconds by the number of photos: the median, the worst, and photos left without an answer."""
    photos = [draw_photo(seed) for seed in range(max(counts))]
    send(api, photos[:WARM_UP])
    found: dict[int, dict[str, float | int]] = {}
    for count in counts:
        took, missing = zip(*(send(api, photos[:count]) for _ in range(rounds)), strict=True)
        found[count] = {
            "median": round(statistics.median(took), 2),
            "worst": round(max(took), 2),
            "unanswered": max(missing),
        }
    return found


def send(api: str, photos: list[str]) -> tuple[float, int]:
    """Seconds until the answer, and how many photos have none."""
    began = time.perf_counter()
    reply = httpx.post(f"{api}/process_batch?bad_photos=null", json={"images": photos}, timeout=60)
    took = time.perf_counter() - began
    if not reply.is_success:
        raise SystemExit(f"{reply.status_code} after {took:.1f} s: {reply.text[:300]}")
    return took, reply.json()["predictions"].count(None)


def draw_photo(seed: int) -> str:
    """A PNG of grey noise, as base64: some 900 bytes, the size of a photo of clothing."""
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    main()
