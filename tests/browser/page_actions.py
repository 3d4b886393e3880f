"""What a visitor does on the page, and what may be seen of it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from page_stack import SCREENSHOTS
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import JSHandle, Locator, Page

RED, GREEN, BLUE = (210, 40, 40), (40, 180, 60), (40, 60, 210)


def photo(
    colour: tuple[int, int, int] = RED, size: tuple[int, int] = (640, 480), kind: str = "JPEG"
) -> bytes:
    """A photo of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def scene(size: tuple[int, int] = (960, 640)) -> bytes:
    """A drawn still life, for screenshots: red books on a shelf."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([236 - 30 * y / height, 224 - 34 * y / height, 205 - 40 * y / height], -1)
    shelf = y > 0.78 * height
    wall[shelf] = (126, 84, 52)
    for index, (tone, wide, tall) in enumerate(
        [((196, 48, 40), 130, 0.5), ((206, 62, 46), 90, 0.42), ((178, 38, 44), 150, 0.56)]
    ):
        left = 200 + index * 190
        book = (x > left) & (x < left + wide) & (y > (0.78 - tall) * height) & ~shelf
        wall[book] = np.array(tone) * (0.8 + 0.2 * ((x[book] - left) / wide))[:, None]
    buffer = io.BytesIO()
    Image.fromarray(wall.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def choose(page: Page, data: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
    """One file, by the file dialog."""
    choose_several(page, {name: data}, kind)


def choose_several(page: Page, files: dict[str, bytes], kind: str = "image/jpeg") -> None:
    """Files by their names, in one go; they stand on the page when this returns."""
    before = page.locator(".entry").count()
    page.locator("#file").set_input_files(
        [{"name": name, "mimeType": kind, "buffer": data} for name, data in files.items()]
    )
    expect(page.locator(".entry")).to_have_count(before + len(files))


def entry(page: Page, at: int = 0) -> Locator:
    """An entry of the list, the topmost first."""
    return page.locator(".entry").nth(at)


def state(page: Page, name: str, at: int = 0) -> None:
    """Wait until an entry is in this state."""
    expect(entry(page, at)).to_have_attribute("data-state", name)


def keep(page: Page, name: str) -> None:
    """A screenshot for people to look at."""
    page.wait_for_timeout(600)  # bars grow for half a second
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def as_file(page: Page, data: bytes, name: str, kind: str) -> JSHandle:
    """A DataTransfer that holds one file, as a drop or a paste brings it."""
    arguments: list[Any] = [base64.b64encode(data).decode(), name, kind]
    return page.evaluate_handle(
        """([data, name, type]) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type }));
          return transfer;
        }""",
        arguments,
    )
