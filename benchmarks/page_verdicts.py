"""Whether a photo gets the same verdict by the page, by the API as it is, and from a record.

    python benchmarks/page_verdicts.py MODEL PHOTOS [--every 5] [--firefox PYTHON]

MODEL is an artifact (model.tar.gz) and PHOTOS a folder of category folders. The page's own modules
make each photo small in headless Chromium, as they do for a visitor, or in Firefox: PYTHON is then
that of an environment with `marionette_driver`, which drives the Firefox that is on the path. The
API hands a photo that is sent whole to the model as it is; `prepare` stores a test photo as PNG.
The model answers all three.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import io
import itertools
import json
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from playwright.sync_api import sync_playwright

from hosting.model import Model
from photo import prepare_photo

if TYPE_CHECKING:
    from evaluation.verdict import Verdict

WEB = Path(__file__).parents[1] / "web"
FIREFOX = Path(__file__).parents[1] / "tests" / "browser" / "firefox_walk.py"
SMALL = """
  const [data, form] = values;
  const { prepare } = await import("./photo.js");
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const { small } = await prepare(new Blob([bytes]), form);
  return btoa(String.fromCharCode(...new Uint8Array(await small.arrayBuffer())));
"""
Way: TypeAlias = Callable[[bytes], bytes]
Evaluate: TypeAlias = Callable[[list[Any]], str]
"""Has the page make a photo small: its base64, and what the model's card says of size and fit."""


@dataclass(frozen=True)
class Told:
    """What the model says of a photo that came by one way."""

    verdict: Verdict
    probabilities: tuple[float, ...]
    picture: Any


def main() -> None:
    """Ask about every photo by each way, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--every", type=int, default=1, help="photo of them all, in order")
    parser.add_argument("--firefox", type=Path, help="the Python that drives Firefox")
    arguments = parser.parse_args()
    photos = sorted(path for path in arguments.photos.glob("*/*") if path.is_file())
    photos = photos[:: arguments.every]
    opened = opened_firefox(arguments.firefox) if arguments.firefox else opened_chromium()
    with tempfile.TemporaryDirectory() as folder, opened as evaluate:
        with tarfile.open(arguments.model) as archive:
            archive.extractall(folder, filter="data")
        model = Model.load(Path(folder), threads=1)
        ways = ways_to(model, evaluate)
        told = {
            name: [tell(model, way(path.read_bytes())) for path in photos]
            for name, way in ways.items()
        }
    print(json.dumps(figures(told, [path.parent.name for path in photos], model.classes), indent=1))


def ways_to(model: Model, evaluate: Evaluate) -> dict[str, Way]:
    """By each way's name, what it makes of a photo's bytes before the model gets them."""
    size, fit = model.preparation.size, model.preparation.fit

    def by_page(data: bytes) -> bytes:
        form = {"size": size, "fit": fit}
        return base64.b64decode(evaluate([base64.b64encode(data).decode(), form]))

    def by_record(data: bytes) -> bytes:
        stored = io.BytesIO()
        prepare_photo(data, size, fit).save(stored, "PNG")
        return stored.getvalue()

    return {"page": by_page, "api": bytes, "record": by_record}


def tell(model: Model, data: bytes) -> Told:
    """The model's verdict, and the picture that it looked at."""
    answer = model.answer(data)
    picture = prepare_photo(data, model.preparation.size, model.preparation.fit)
    return Told(model.verdict(answer), tuple(answer.probabilities), np.asarray(picture, int))


def figures(
    told: dict[str, list[Told]], categories: list[str], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Shares of all photos, the ways compared in pairs, and how good each way is."""
    return {
        "photos": len(categories),
        "accuracy": {
            name: share(
                classes[int(np.argmax(one.probabilities))] == category
                for one, category in zip(answers, categories, strict=True)
            )
            for name, answers in told.items()
        },
        "compared": {
            f"{one} and {other}": compared(told[one], told[other])
            for one, other in itertools.combinations(told, 2)
        },
    }


def compared(some: list[Told], others: list[Told]) -> dict[str, float]:
    """How alike two ways are; probabilities differ by so much, pixels in units of 1/255."""
    pairs = list(zip(some, others, strict=True))
    moved = [
        max(abs(p - q) for p, q in zip(one.probabilities, other.probabilities, strict=True))
        for one, other in pairs
    ]
    apart = [float(np.abs(one.picture - other.picture).mean()) for one, other in pairs]
    return {
        "same_verdict": share(one.verdict == other.verdict for one, other in pairs),
        "same_best": share(
            np.argmax(one.probabilities) == np.argmax(other.probabilities) for one, other in pairs
        ),
        "probability_moved_mean": round(float(np.mean(moved)), 5),
        "probability_moved_most": round(float(np.max(moved)), 4),
        "pixel_difference_mean": round(float(np.mean(apart)), 3),
        "pixel_difference_of_the_worst_photo": round(float(np.max(apart)), 3),
    }


def share(hits: Iterator[bool]) -> float:
    """Of all, from 0 to 1."""
    return round(float(np.mean([float(hit) for hit in hits])), 4)


@contextlib.contextmanager
def opened_chromium() -> Iterator[Evaluate]:
    """The page in Chromium."""
    with served_page() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(url)
        yield functools.partial(page.evaluate, f"async (values) => {{{SMALL}}}")
        browser.close()


@contextlib.contextmanager
def opened_firefox(python: Path) -> Iterator[Evaluate]:
    """The page in Firefox."""
    with (
        served_page() as url,
        subprocess.Popen(
            [python, FIREFOX, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as driver,
    ):
        asked: Any = driver.stdin
        told: Any = driver.stdout

        def evaluate(values: list[Any]) -> str:
            print(json.dumps({"script": SMALL, "values": values}), file=asked, flush=True)
            lines = (line for line in told if line.startswith("{"))  # others are its library's
            found: dict[str, str] = json.loads(next(lines))
            if "error" in found:
                raise SystemExit(f"the page does not make a photo small: {found['error']}")
            return found["value"]

        yield evaluate


@contextlib.contextmanager
def served_page() -> Iterator[str]:
    """Its address; it has no service, which making photos small does without."""
    handler = functools.partial(Quiet, directory=str(WEB))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """The folder, without a line for each request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
