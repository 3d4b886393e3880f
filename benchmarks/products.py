"""One verdict a product: how fast, and does memory stay flat?

    python benchmarks/products.py MODEL train_example.bson [--products 2000 20000]

MODEL is an artifact whose categories are category_ids. The example's products are written again and
again under other ids, `snapshelf products` names them, and beside it, before and after, the same
photos are decoded and given to the bare ONNX Runtime one by one in one thread: the ratio is to
that.
Prints a JSON object for each number of products.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bson
import numpy as np

from hosting.model import Model
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import unpack

BARE_PHOTOS = 300


def write(example: Path, out: Path, products: int) -> int:
    """A BSON file of so many products; how many photos they have."""
    known = list(bson.decode_file_iter(example.open("rb")))
    photos = 0
    with out.open("wb") as file:
        for number, product in zip(range(products), itertools.cycle(known), strict=False):
            file.write(bson.encode(product | {"_id": number}))
            photos += len(product["imgs"])
    return photos


def bare_rate(model: Model, example: Path) -> float:
    """Photos a second of decoding and ONNX Runtime in one thread, without anything of ours."""
    documents = bson.decode_file_iter(example.open("rb"))
    pictures = [image["picture"] for product in documents for image in product["imgs"]]
    began = time.perf_counter()
    for picture in itertools.islice(itertools.cycle(pictures), BARE_PHOTOS):
        model.predict(model.preparation.array(picture)[np.newaxis])
    return BARE_PHOTOS / (time.perf_counter() - began)


def measure(artifact: Path, example: Path, products: int, folder: Path) -> dict[str, object]:
    """One run of the command between two of the bare runtime."""
    source, out = folder / f"{products}.bson", folder / f"{products}.csv"
    photos = write(example, source, products)
    with tempfile.TemporaryDirectory() as unpacked:
        unpack(artifact, Path(unpacked))
        model = Model.load(Path(unpacked), threads=1)
    before = bare_rate(model, example)
    command = [sys.executable, "-c", "from scripts.cli import main; main()", "products"]
    words = [*command, str(artifact), str(source), "--out", str(out), "--json"]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    seconds = json.loads(done.stdout)["seconds"]
    bare = (before + bare_rate(model, example)) / 2
    return {
        "products": products,
        "photos": photos,
        "photos_a_second": round(photos / seconds, 1),
        "bare_photos_a_second": round(bare, 1),
        "ratio": round(photos / seconds / bare, 2),
        "largest_process_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """The numbers in order, the largest last: the largest process is of all runs so far."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("example", type=Path)
    parser.add_argument("--products", type=int, nargs="+", default=[2000, 20_000])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for products in sorted(chosen.products):
            found = measure(find_artifact(chosen.model), chosen.example, products, Path(folder))
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
