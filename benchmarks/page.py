"""How soon the page answers a 48-megapixel photo on a slow line and a slow processor.

    python benchmarks/page.py MODEL [--rounds 3] [--megapixels 48]

MODEL is an artifact (model.tar.gz). A local cloud of its own is started, the model deployed in it,
and its page opened in headless Chromium. A JPEG that is made here is chosen there, and the time of
each state that the page shows is taken in the page, from the moment the file dialog closes.

The network is slowed as the browser's own tools do (Network.emulateNetworkConditions): "3G" has
100 ms of latency, 750 kbit/s down and 250 up, "Fast 3G" 562 ms, 1,440 and 675. The processor is
slowed in two ways: by Emulation.setCPUThrottlingRate, which holds the page's main thread alone, and
by stopping the page's whole process for three quarters of the time, its worker too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from infra.deploy.deployment import Deployment, deploy
from infra.deploy.options import DeployOptions
from infra.local import launch
from infra.targets import resolve_target

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWER = 4
"""Times that the processor is slowed."""

SLICE_SECONDS = 0.004
"""How long the page's process runs before it is stopped for SLOWER - 1 such times."""

WATCH = """() => {
  window.seen = [];
  document.addEventListener("change", () => seen.push(["chosen", performance.now()]), true);
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const name = target.dataset.state;
      if (target.matches(".entry") && seen.at(-1)?.[0] !== name) {
        seen.push([name, performance.now()]);
      }
    }
  }).observe(document.body, { subtree: true, attributeFilter: ["data-state"] });
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: "longtask" });
}"""


@dataclass(frozen=True)
class Line:
    """A network, as Network.emulateNetworkConditions takes it."""

    name: str
    latency_ms: float
    down_kbits: float
    up_kbits: float

    def conditions(self) -> dict[str, Any]:
        """In the protocol's units: milliseconds, bytes a second."""
        return {
            "offline": False,
            "latency": self.latency_ms,
            "downloadThroughput": self.down_kbits * 125,
            "uploadThroughput": self.up_kbits * 125,
        }


LINES = (
    Line("as it is", 0, -1 / 125, -1 / 125),
    Line("3G", 100, 750, 250),
    Line("Fast 3G", 562.5, 1440, 675),
)


def main() -> None:
    """Start, deploy, choose the photo again and again, and print the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megapixels", type=float, default=48)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        state, photo = Path(folder) / "cloud", Path(folder) / "photo.jpg"
        photo.write_bytes(camera_photo(arguments.megapixels))
        try:
            deployment = deployed(state, arguments.model)
            with opened_browser() as browser:
                found = measure(browser, deployment, photo, arguments)
        finally:
            launch.stop(state)
        size = photo.stat().st_size
    print(
        json.dumps(
            {
                "photo": {"megapixels": arguments.megapixels, "megabytes": round(size / 1e6, 1)},
                "milliseconds": found,
                "machine": {"cores": os.cpu_count(), "load_before": load},
            },
            indent=1,
        )
    )


def camera_photo(megapixels: float) -> bytes:
    """A JPEG of that size, 4 to 3, with detail and a sensor's noise, as a phone writes them."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    size = (round(height * 4 / 3), height)
    random = np.random.default_rng(7)
    coarse = random.integers(30, 226, (24, 32, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    noise = random.integers(-9, 10, (size[1] // 4, size[0], 3), np.int8)
    pixels = np.asarray(smooth).astype(np.int16)
    for top in range(0, size[1] - len(noise) + 1, len(noise)):
        pixels[top : top + len(noise)] += noise
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def deployed(state: Path, model: Path) -> Deployment:
    """The model behind an API and a page in a cloud of their own."""
    info = launch.start(state, port=0, attached=True)
    target = resolve_target("local", port=info.port, environ={})
    return deploy("page", target, DeployOptions(model), lambda *_: None)


@contextlib.contextmanager
def opened_browser() -> Iterator[Browser]:
    """Headless Chromium without a graphics processor."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def measure(
    browser: Browser, deployment: Deployment, photo: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """By line and processor, the medians of each state's time since the photo was chosen."""
    found: dict[str, Any] = {}
    for line in LINES:
        for processor in ("as it is", "main thread / 4", "whole process / 4"):
            rounds = [
                timeline(browser, deployment.page_url, photo, line, processor)
                for _ in range(arguments.rounds)
            ]
            found[f"{line.name}, {processor}"] = {
                name: round(statistics.median(one[name] for one in rounds)) for name in rounds[0]
            }
            found[f"{line.name}, {processor}"]["answers"] = sorted(
                round(one["answer"]) for one in rounds
            )
    return found


def timeline(
    browser: Browser, url: str, photo: Path, line: Line, processor: str
) -> dict[str, float]:
    """Of one photo on a page that was just opened: milliseconds since it was chosen."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    page.goto(url)
    page.wait_for_selector("#knows:not([hidden])")
    page.wait_for_load_state("networkidle")
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", line.conditions())
    page.evaluate(WATCH)
    with slowed(browser, session, processor):
        page.locator("#file").set_input_files(photo)
        page.wait_for_selector(".entry[aria-busy=false]", timeout=60_000)
    return read_timeline(page)


def read_timeline(page: Page) -> dict[str, float]:
    """When each state was shown, and the longest time that the page could not react."""
    seen = page.evaluate("seen")
    if seen[-1][0] != "answer":
        raise SystemExit(f"no answer: {page.locator('.entry').inner_text()!r}")
    start = next(at for name, at in seen if name == "chosen")
    times = {name: at - start for name, at in seen if name != "chosen"}
    times["longest_task"] = page.evaluate("longest")
    page.context.close()
    return times


@contextlib.contextmanager
def slowed(browser: Browser, session: Any, processor: str) -> Iterator[None]:
    """The processor slowed in one of the two ways while the block runs."""
    if processor == "main thread / 4":
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        yield
    elif processor == "whole process / 4":
        with interrupted(renderers(browser)):
            yield
    else:
        yield


def renderers(browser: Browser) -> list[int]:
    """The processes of the browser's pages."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return [one["id"] for one in told["processInfo"] if one["type"] == "renderer"]


@contextlib.contextmanager
def interrupted(processes: list[int]) -> Iterator[None]:
    """Processes that run a quarter of the time, by being stopped for the rest."""
    over = threading.Event()

    def interrupt() -> None:
        while not over.is_set():
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for process in processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, number)
                time.sleep(SLICE_SECONDS * (SLOWER - 1 if number == signal.SIGSTOP else 1))

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
