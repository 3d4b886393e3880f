"""Packs BSON files of more and more products: does memory stay flat, is time in proportion?

    python benchmarks/scale.py train_example.bson FOLDER [--documents 10000 100000 1000000]

The documents are as Cdiscount's: 1 to 4 photos of 180 x 180 pixels each, as often as there, in 500
categories. Every photo is another: two of the example's are blended, cut out, mirrored and encoded
anew. FOLDER keeps the BSON files, so that they are made once; records are removed again.

Prints a JSON object for each file: photos a second, by the clock and of processor time (user and
system, of all processes), and the largest process's memory. Where other programs run beside, only
processor time tells whether time is in proportion. What the whole of Cdiscount's 12.4 million
photos would take by the clock is worked out from each file.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bson
import numpy as np
from PIL import Image

SIDE, CATEGORIES, WHOLE = 180, 500, 12_371_293
SHARES = (0.618, 0.160, 0.077, 0.145)
"""Of products with 1, 2, 3 and 4 photos in Cdiscount's train.bson."""

BATCH = 1000
SHARD_SIZE = 10_000

pictures: list[Image.Image] = []


def load(example: Path) -> None:
    """The example's photos, decoded once in each process."""
    documents = bson.decode_file_iter(example.open("rb"))
    photos = (image["picture"] for document in documents for image in document["imgs"])
    pictures.extend(Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos)


def make_batch(first: int) -> bytes:
    """BATCH documents, the same for the same first number."""
    random = np.random.default_rng(first)
    return b"".join(make_document(first + n, random) for n in range(BATCH))


def make_document(number: int, random: np.random.Generator) -> bytes:
    """A product whose category has about as many products as any other's."""
    photos = 1 + int(random.choice(len(SHARES), p=SHARES))
    images = [{"picture": make_photo(random)} for _ in range(photos)]
    category = 1_000_000_000 + int(random.integers(CATEGORIES))
    return bson.encode({"_id": number, "imgs": images, "category_id": category})


def make_photo(random: np.random.Generator) -> bytes:
    """Two photos blended, a part of them cut out, perhaps mirrored."""
    one, other = (pictures[n] for n in random.integers(len(pictures), size=2))
    left, upper = random.integers(0, 50, 2)
    width, height = random.integers(110, 130, 2)
    blended = Image.blend(one, other, float(random.uniform(0.2, 0.8)))
    part = blended.resize((SIDE, SIDE), box=(left, upper, left + width, upper + height))
    if random.integers(2):
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    buffer = io.BytesIO()
    part.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def make_bson(example: Path, folder: Path, documents: int) -> Path:
    """The file, made on all cores unless it is there."""
    path = folder / f"{documents}.bson"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with (
        multiprocessing.Pool(initializer=load, initargs=(example,)) as pool,
        partial.open("wb") as file,
    ):
        for batch in pool.imap(make_batch, range(0, documents, BATCH)):
            file.write(batch)
    return partial.rename(path)


def measure(path: Path) -> dict[str, float]:
    """Pack as a person would; memory (of the largest process) and processor time by GNU time."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        out, figures = Path(name) / "records", Path(name) / "time"
        program = [sys.executable, "-W", "ignore", "-m", "scripts.cli", "prepare", str(path)]
        options = [
            "--out",
            str(out),
            "--shard-size",
            str(SHARD_SIZE),
            "--encoding",
            "jpeg",
            "--json",
        ]
        start = time.perf_counter()
        printed = subprocess.run(
            ["/usr/bin/time", "-f", "%M %U %S", "-o", str(figures), *program, *options],
            check=True,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parent.parent,
        ).stdout
        seconds = time.perf_counter() - start
        kilobytes, user, system = map(float, figures.read_text().split())
        splits = json.loads(printed)["splits"].values()
        packed = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        photos = sum(split["photos"] for split in splits)
        return {
            "photos": photos,
            "seconds": round(seconds, 1),
            "photos_per_second": round(photos / seconds, 1),
            "processor_seconds": round(user + system, 1),
            "photos_per_processor_second": round(photos / (user + system), 1),
            "largest_process_mb": round(kilobytes / 1000),
            "records_gb": round(packed / 1e9, 2),
        }


def main() -> None:
    """From few documents to many."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("example", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    for documents in arguments.documents:
        path = make_bson(arguments.example, arguments.folder, documents)
        figures = measure(path)
        whole = WHOLE / figures["photos"]
        estimate = {
            "cdiscount_hours": round(figures["seconds"] * whole / 3600, 1),
            "cdiscount_records_gb": round(figures["records_gb"] * whole),
        }
        print(json.dumps({"documents": documents, **figures, **estimate}), flush=True)


if __name__ == "__main__":
    main()
