"""The page in Firefox, which decodes and encodes by libraries of its own."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from page_actions import RED, photo
from PIL import Image

from photo import prepare_photo

PYTHON = os.environ.get("SNAPSHELF_MARIONETTE_PYTHON", "")
CHOOSE = """
  const [data, name, type] = values;
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const input = document.querySelector("#file");
  const before = document.querySelectorAll(".entry").length;
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  for (;;) {
    const entries = [...document.querySelectorAll(".entry")];
    const state = entries[0]?.dataset.state;
    if (entries.length > before && ["answer", "trouble"].includes(state)) {
      return [state, entries[0].innerText];
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
"""


@pytest.fixture(scope="module")
def firefox(servers):
    """Has the page in Firefox do as a script says: what came of it."""
    if not PYTHON:
        pytest.skip("SNAPSHELF_MARIONETTE_PYTHON names no Python with marionette_driver")
    if not (shutil.which("firefox-esr") or shutil.which("firefox")):
        pytest.skip("no Firefox: install it (Debian: apt-get install firefox-esr)")
    driver = subprocess.Popen(
        [PYTHON, Path(__file__).with_name("firefox_walk.py"), servers.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(script, *values):
        driver.stdin.write(json.dumps({"script": script, "values": values}) + "\n")
        driver.stdin.flush()
        found = json.loads(next(line for line in driver.stdout if line.startswith("{")))
        return found["value"]

    yield run
    driver.communicate(timeout=30)
    assert driver.returncode == 0


def choose(firefox, data, kind="image/jpeg"):
    return firefox(CHOOSE, base64.b64encode(data).decode(), "photo", kind)


def psnr(image, reference):
    difference = np.asarray(image, float) - np.asarray(reference, float)
    return 10 * np.log10(255**2 / (difference**2).mean())


def drawn(orientation, kind="JPEG", mode="RGB"):
    """Four fields of different colours, to be turned as Exif says."""
    image = Image.effect_noise((400, 300), 40).convert(mode)
    image.paste((220, 0, 0), (0, 0, 200, 150))
    image.paste((0, 0, 220), (0, 150, 200, 300))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


def test_a_photo_is_answered(firefox, stack):
    """Its main colour is named on the page; a few KB of it were sent."""
    state, text = choose(firefox, photo(RED))
    assert state == "answer"
    assert "red" in text
    assert len(stack.model.photos[-1]) < 9_000


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_sent_upright_as_training_would_see_it(firefox, stack, orientation):
    """Turned once, scaled by the same filter, but for the loss of its encoding."""
    data = drawn(orientation)
    assert choose(firefox, data)[0] == "answer"
    picture = Image.open(io.BytesIO(stack.model.photos[-1]))
    assert psnr(picture.convert("RGB"), prepare_photo(data)) > 27


def test_transparency_becomes_white(firefox, stack):
    """As in training."""
    image = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (150, 0, 300, 300))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert choose(firefox, buffer.getvalue(), "image/png")[0] == "answer"
    picture = Image.open(io.BytesIO(stack.model.photos[-1])).convert("RGB")
    assert min(picture.getpixel((20, 56))) > 245
    assert psnr(picture, prepare_photo(buffer.getvalue())) > 30
