"""The nightly job over more and more photos: does its memory stay flat, and what does it take?

    python benchmarks/batch.py FOLDER [--photos 10000 100000]

The photos are PNGs of 28 x 28 pixels, each another, a thousand a folder; FOLDER keeps them, so that
they are made once. The API is a process beside it that reads each request and answers at once: what
is measured is the job itself, with its journal, and not a model.

Prints a JSON object for each number of photos: photos a second of a first run and of a second one,
which finds all answered, and the job's largest resident size in MB.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Queue
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIDE, IN_A_FOLDER = 28, 1000


class Handler(BaseHTTPRequestHandler):
    """Answers 7 for every photo."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        reply = json.dumps({"predictions": [7] * len(json.loads(body)["images"])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(ports: Queue[int]) -> None:
    """Be the API, on a port of the system's choosing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ports.put(server.server_port)
        server.serve_forever()


def make_photos(folder: Path, count: int) -> Path:
    """A folder of `count` photos, made unless it is there."""
    photos = folder / f"photos-{count}"
    done = photos / ".done"
    random = np.random.default_rng(count)
    for number in range(0 if done.exists() else count):
        below = photos / f"{number // IN_A_FOLDER:03d}"
        below.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        pixels = random.integers(0, 256, (SIDE, SIDE), np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        (below / f"image_{number}_label_{number % 10}.png").write_bytes(buffer.getvalue())
    done.touch()
    return photos


def run(photos: Path, table: Path, port: int) -> tuple[float, float]:
    """One run of the job: its seconds, and its largest resident size in MB."""
    argv = [sys.executable, "-m", "scripts.cli", "batch", "run", "--json"]
    argv += ["--in", str(photos), "--out", str(table), "--api", f"http://127.0.0.1:{port}"]
    start = time.perf_counter()
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the job ended with {code}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Measure each number of photos, the smallest first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    given = parser.parse_args()
    ports: Queue[int] = Queue()
    api = Process(target=serve, args=(ports,), daemon=True)
    api.start()
    port = ports.get()
    for count in sorted(given.photos):
        photos = make_photos(given.folder, count)
        with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
            table = Path(scratch, "predictions.csv")
            first, megabytes = run(photos, table, port)
            rows = sum(1 for _ in table.open()) - 1
            again, _ = run(photos, table, port)
        told = {"photos": rows, "photos_per_second": round(count / first)}
        told |= {"again_photos_per_second": round(count / again), "megabytes": round(megabytes, 1)}
        print(json.dumps(told), flush=True)
    api.terminate()


if __name__ == "__main__":
    main()
