"""The page's files: what they load, whose constants they hold, and that jQuery is npm's own."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts import (
    BELOW_THRESHOLD,
    DEFAULT_THRESHOLD,
    NO_VERDICT,
    PHOTO_FIT,
    PHOTO_FITS,
    PHOTO_SIZE,
    UNFAMILIAR,
)

WEB = Path(__file__).parents[3] / "web"
FEEDBACK = WEB.parent / "lambda_fn/chalicelib/feedback.py"
JQUERY_SHA256 = "39a546ea9ad97f8bfaf5d3e0e8f8556adb415e470e59007ada9759dce472adaa"
"""Of dist/jquery.min.js in the npm package jquery 4.0.0."""


class Tags(HTMLParser):
    """Every start tag of a document with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Collect."""
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(scope="module")
def tags() -> list[tuple[str, dict[str, str]]]:
    """The tags of index.html."""
    return Tags((WEB / "index.html").read_text()).found


def constant(script, name):
    found = re.search(
        rf"^(?:export )?const {name} = (.+?);", (WEB / script).read_text(), re.MULTILINE
    )
    assert found, f"{script} has no constant {name}"
    return json.loads(found[1])


def test_the_pages_photo_is_the_contracts():
    """Size, fits, threshold and the verdicts' names are the same on both sides."""
    assert constant("fit.js", "SIZE") == PHOTO_SIZE
    assert constant("fit.js", "FIT") == PHOTO_FIT
    assert constant("fit.js", "FITS") == list(PHOTO_FITS)
    assert constant("verdict.js", "NONE") == NO_VERDICT
    assert constant("verdict.js", "BELOW") == BELOW_THRESHOLD
    assert constant("verdict.js", "UNFAMILIAR") == UNFAMILIAR
    assert constant("tools.js", "MODELS") == DEFAULT_THRESHOLD
    other = re.search(r'^OTHER = "(.+)"', FEEDBACK.read_text(), re.MULTILINE)
    assert other
    assert constant("correction.js", "OTHER") == other[1]


def test_the_page_loads_its_own_files_only_by_relative_paths(tags):
    """It works below a bucket's path as at a website's root, and speaks to no other host."""
    links = [
        value
        for _, attributes in tags
        for name, value in attributes.items()
        if name in {"src", "href"} and not value.startswith("data:")
    ]
    assert "page.js" in links
    for link in links:
        assert not re.match(r"[a-z]+:|/", link), link
        assert (WEB / link).is_file(), link


def test_scripts_import_only_their_neighbours():
    """Each module that a script names stands beside it."""
    imported = set()
    for script in WEB.glob("*.js"):
        imported |= set(re.findall(r'from "([^"]+)"', script.read_text()))
    assert imported
    for name in imported:
        assert re.fullmatch(r"\./[a-z]+\.js", name)
        assert (WEB / name).is_file()


def modules_of(script):
    """The scripts that one imports, and those that these import."""
    found = {script}
    for name in re.findall(r'from "\./([^"]+)"', (WEB / script).read_text()):
        found |= modules_of(name)
    return found


def test_every_module_is_asked_for_at_once(tags):
    """On a slow line each further row of imports would cost half a second; none is left over."""
    preloaded = [a["href"] for _, a in tags if a.get("rel") == "modulepreload"]
    assert preloaded == sorted(modules_of("page.js") - {"page.js"})
    scripts = {path.name for path in WEB.glob("*.js")}
    assert scripts == modules_of("page.js") | modules_of("worker.js")


def test_nothing_is_inline(tags):
    """The policy would refuse inline scripts, styles and handlers, so there are none."""
    for tag, attributes in tags:
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_the_policy_forbids_by_default(tags):
    """All that the page needs is listed; scripts and styles are its own."""
    (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["worker-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == constant("darkroom.js", "POLICY")
    assert "unsafe" not in policy


def test_every_field_and_picture_has_words(tags):
    """A screen reader finds a label on each input and an alternative for each picture."""
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    for tag, attributes in tags:
        if tag == "input" and attributes["type"] != "checkbox":  # that one stands in its label
            assert attributes.get("aria-label") or attributes["id"] in labelled
        if tag == "img":
            assert "alt" in attributes


def test_jquery_is_the_pinned_packages():
    """scripts/vendor_jquery re-creates the file from npm, byte for byte."""
    assert json.loads((WEB / "package.json").read_text())["dependencies"] == {"jquery": "4.0.0"}
    script = (WEB / "vendor/jquery.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == JQUERY_SHA256
    assert b"jQuery v4.0.0" in script[:100]
    assert "OpenJS Foundation" in (WEB / "vendor/jquery-LICENSE.txt").read_text()
