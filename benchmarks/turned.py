"""Photos as people hold their phones: each turned by 90, 180 or 270 degrees, without saying so.

    python benchmarks/turned.py PHOTOS OUT
    snapshelf models compare MODEL OTHER OUT

PHOTOS are category folders; OUT gets the same, as PNG, so that nothing but the turn differs.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from photo import decode_photo

TURNS = (90, 180, 270)


def main() -> None:
    """Turn every photo, the same way in every run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    chosen, draw = parser.parse_args(), random.Random(0)  # noqa: S311 - no secret
    for path in sorted(chosen.photos.glob("*/*")):
        folder = chosen.out / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        turned = decode_photo(path.read_bytes()).rotate(draw.choice(TURNS), expand=True)
        turned.save(folder / f"{path.stem}.png")


if __name__ == "__main__":
    main()
