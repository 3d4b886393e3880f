"""Category folders of drawn photos that a small network tells apart within a minute."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = ("ball", "box", "stripe")


def draw_photos(root: Path, per_class: int, seed: int) -> None:
    """Write `root/<shape>/NN.jpg`, 160 x 120 pixels, each shape in a colour range of its own."""
    chance = random.Random(seed)  # noqa: S311 - pictures, not secrets
    for shape in SHAPES:
        (root / shape).mkdir(parents=True)
        for number in range(per_class):
            _draw(shape, chance).save(root / shape / f"{number:02d}.jpg", quality=90)


def _draw(shape: str, chance: random.Random) -> Image.Image:
    image = Image.new("RGB", (160, 120), tuple(chance.randrange(180, 256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    left, top = chance.randrange(0, 60), chance.randrange(0, 40)
    box = (left, top, left + chance.randrange(50, 90), top + chance.randrange(50, 70))
    dark = tuple(chance.randrange(0, 110) for _ in range(3))
    if shape == "ball":
        pen.ellipse(box, fill=dark)
    elif shape == "box":
        pen.rectangle(box, fill=dark)
    else:
        for offset in range(0, 160, 16):
            pen.line((offset, 0, offset + left // 4, 120), fill=dark, width=5)
    return image
