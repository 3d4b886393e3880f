"""A real headless Chromium in front of the page, each test in a window of its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from page_stack import Stack, running_stack
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = [
    "--no-sandbox",  # containers run tests as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def pytest_configure(config: pytest.Config) -> None:
    """The marks that these tests may bear."""
    config.addinivalue_line("markers", "window(**options): the browser window's own options")
    config.addinivalue_line("markers", "console(allows): errors that the console may show")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; of module scope, because Playwright's loop must not outlive these tests."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def servers() -> Iterator[Stack]:
    """The page's bucket and the API on loopback."""
    with running_stack() as stack:
        yield stack


@pytest.fixture
def stack(servers: Stack) -> Iterator[Stack]:
    """The stack with a model that remembers nothing of the test before."""
    servers.reset()
    yield servers
    servers.model.gate.set()


@pytest.fixture
def page(browser: Browser, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, opened; the test fails if it logs an error or speaks to any other host.

    A test may mark `window(viewport=..., color_scheme=..., has_touch=...)`, and
    `console(allows="text")` where a failed request is what it is about.
    """
    window = request.node.get_closest_marker("window")
    allows = request.node.get_closest_marker("console")
    context = browser.new_context(**(window.kwargs if window else {}))
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: hosts.add(sent.url.split("/")[2]) if "//" in sent.url else None)
    page.on("filechooser", lambda _: None)  # so that Chromium is told early to hand them over
    page.goto(stack.url)
    page.wait_for_selector("body[data-state=empty]")
    yield page
    context.close()
    allowed = allows.kwargs["allows"] if allows else None
    assert [line for line in complaints if allowed is None or allowed not in line] == []
    assert hosts <= stack.hosts
    assert hosts
