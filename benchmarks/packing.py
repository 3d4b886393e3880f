"""Packs the same photos with `snapshelf prepare`, with MXNet's im2rec, and as fast as can be.

    python benchmarks/packing.py PHOTOS [--small 5000] [--phone 100] [--runs 3]

PHOTOS is a folder of category folders. From its photos it makes JPEGs of 640 x 480 and of
4000 x 3000 pixels: each another part of one, scaled up and with the grain of a sensor, which weigh
what a camera's do. All three then run as whole commands, in turn, on one process and on two;
medians are compared. Where other programs run beside, processor time is the steadier figure.

What a command takes whatever it packs is told apart, by commands with 20 of the photos: im2rec
loads MXNet, which a thousand small photos hardly outweigh. `further_photos_per_processor_second`
is what the others add to those 20.

The limit is libjpeg-turbo (by simplejpeg) alone: read, decode at the reduced scale that leaves
twice the wanted size, encode 112 x 112 pixels; nothing is scaled, written, sorted or checked.
Quality is the PSNR of the packed photos against decoding them in full and scaling with Lanczos.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from recordio_prep import read_records

SIZE, QUALITY = 112, 95
SIZES = {"small": (640, 480), "phone": (4000, 3000)}
COMPARED = 200
FEW = 20
PYTHON = (sys.executable, "-W", "ignore")
Program: TypeAlias = Callable[[Path, Path, int], None]
"""Packs the photos of a folder into another, on so many processes."""

LIMIT = """
import sys, simplejpeg
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        pixels = simplejpeg.decode_jpeg(file.read(), min_height=224, min_width=224, min_factor=1)
    small = pixels[:112, :112].copy()
    simplejpeg.encode_jpeg(small, quality=int(sys.argv[1]), colorsubsampling="444")
"""


def make_photos(photos: Path, folder: Path, size: tuple[int, int], count: int) -> None:
    """Photos of the given size, as many as asked for, each another part of one in `photos`."""
    grain = np.random.default_rng(0)
    sources = sorted(path for path in photos.glob("*/*") if path.is_file())
    for number in range(count):
        source = sources[number * len(sources) // count]
        part = cut_out(Image.open(source).convert("RGB"), grain)
        large = part.resize(size, Image.Resampling.BICUBIC)
        noise = grain.normal(0, 4, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)
        path = folder / source.parent.name / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=88)


def cut_out(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Half of its sides to all of them: two parts of a photo are not taken for doubles."""
    width, height = (int(side * random.uniform(0.5, 1)) for side in photo.size)
    left = int(random.integers(photo.width - width + 1))
    upper = int(random.integers(photo.height - height + 1))
    return photo.crop((left, upper, left + width, upper + height))


def ours(photos: Path, out: Path, processes: int) -> None:
    """`snapshelf prepare`, all photos as JPEG records."""
    program = [*PYTHON, "-m", "scripts.cli", "prepare", str(photos), "--out", str(out)]
    options = ["--encoding", "jpeg", "--train-ratio", "1", "--workers", str(processes)]
    run([[*program, "--quality", str(QUALITY), *options]])


def im2rec(photos: Path, out: Path, processes: int) -> None:
    """MXNet's own; the list is made beforehand and not counted."""
    program = [*PYTHON, "-m", "mxnet.tools.im2rec", "--resize", str(SIZE), "--center-crop"]
    options = ["--quality", str(QUALITY), "--num-thread", str(processes)]
    run([[*program, *options, str(out / "records"), str(photos)]])


def limit(photos: Path, _out: Path, processes: int) -> None:
    """Each process takes its share of the photos."""
    paths = sorted(map(str, photos.glob("*/*")))
    shares = [paths[start::processes] for start in range(processes)]
    run([[*PYTHON, "-c", LIMIT, str(QUALITY), *share] for share in shares])


def run(commands: list[list[str]]) -> None:
    """All at once, to the end of the last; their words are for failures only."""
    root = Path(__file__).resolve().parent.parent
    started = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    for process in started:
        _, words = process.communicate()
        if process.returncode:
            sys.exit(words.decode())


PROGRAMS: dict[str, Program] = {"ours": ours, "im2rec": im2rec, "limit": limit}


def seconds(program: Program, photos: Path, processes: int) -> tuple[float, float]:
    """Of the whole command, into a new folder: by the clock, and of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        prepare_list(program, photos, Path(folder))
        start, before = time.perf_counter(), processor_seconds()
        program(photos, Path(folder), processes)
        return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """Of all processes that this one started, as far as they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def prepare_list(program: Program, photos: Path, folder: Path) -> None:
    """im2rec packs what a list names."""
    if program is im2rec:
        listing = [*PYTHON, "-m", "mxnet.tools.im2rec", "--list", "--recursive"]
        run([[*listing, str(folder / "records"), str(photos)]])


def quality(program: Program, photos: Path) -> dict[str, float]:
    """PSNR of packed photos, in dB, against the same pictures made the slow way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_list(program, photos, folder)
        program(photos, folder, 2)
        records = next(folder.glob("*.rec"))
        lines = records.with_suffix(".lst").read_text().splitlines()
        paths = dict(line.split("\t")[::2] for line in lines)
        found = [
            psnr(payload, photos / paths[str(header.index)], cropped=program is im2rec)
            for header, payload in itertools.islice(read_records(records), COMPARED)
        ]
    return {"mean": round(statistics.mean(found), 1), "worst": round(min(found), 1)}


def psnr(payload: bytes, path: Path, *, cropped: bool) -> float:
    """Of one packed photo; im2rec's is the middle of the photo, ours is all of it."""
    full = Image.open(path).convert("RGB")
    if cropped:
        wanted = ImageOps.fit(full, (SIZE, SIZE), Image.Resampling.LANCZOS)
    else:
        wanted = full.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    packed = np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"), float)
    error = np.square(packed - np.asarray(wanted, float)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def measure(photos: Path, processes: int, runs: int) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of processor time, by program: medians of runs in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for _ in range(runs):
        for name, taken in times.items():
            taken.append(seconds(PROGRAMS[name], photos, processes))
    return {
        name: (
            statistics.median(one[0] for one in taken),
            statistics.median(one[1] for one in taken),
        )
        for name, taken in times.items()
    }


def rates(count: int, taken: dict[str, float]) -> dict[str, float]:
    """Photos a second of every program, and how ours compares."""
    return {name: round(count / seconds, 1) for name, seconds in taken.items()} | {
        f"ours_to_{other}": round(taken[other] / taken["ours"], 2) for other in ("im2rec", "limit")
    }


def compare(photos: Path, few: Path, processes: int, runs: int) -> dict[str, dict[str, float]]:
    """Start-up in seconds, and photos a second, by program: with it, and of each further photo."""
    started, whole = measure(few, processes, runs), measure(photos, processes, runs)
    count = sum(1 for _ in photos.glob("*/*"))
    further = {name: whole[name][1] - started[name][1] for name in PROGRAMS}
    return {
        "seconds_for_few": {name: round(clock, 2) for name, (clock, _) in started.items()},
        "processor_seconds_for_few": {name: round(used, 2) for name, (_, used) in started.items()},
        "photos_per_second": rates(count, {name: clock for name, (clock, _) in whole.items()}),
        "photos_per_processor_second": rates(
            count, {name: used for name, (_, used) in whole.items()}
        ),
        "further_photos_per_processor_second": rates(count - FEW, further),
    }


def link_few(photos: Path, few: Path) -> None:
    """FEW of them, from all over, as links."""
    found = sorted(photos.glob("*/*"))
    for path in found[:: len(found) // FEW][:FEW]:
        (few / path.parent.name).mkdir(parents=True, exist_ok=True)
        (few / path.parent.name / path.name).hardlink_to(path)


def main() -> None:
    """Print a JSON object for each size and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--small", type=int, default=5000, help="photos of 640 x 480")
    parser.add_argument("--phone", type=int, default=100, help="photos of 4000 x 3000")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if min(arguments.small, arguments.phone) < 2 * FEW:
        parser.error(f"expected at least {2 * FEW} photos of each size")
    for kind, size in SIZES.items():
        with tempfile.TemporaryDirectory() as name:
            photos, few = Path(name) / "photos", Path(name) / "few"
            make_photos(arguments.photos, photos, size, getattr(arguments, kind))
            link_few(photos, few)
            tell(kind, photos, few, arguments.runs)


def tell(kind: str, photos: Path, few: Path, runs: int) -> None:
    """Print what comes out on one process and on two."""
    width, height = SIZES[kind]
    kilobytes = statistics.mean(path.stat().st_size for path in photos.glob("*/*")) / 1000
    decibels = {one: quality(PROGRAMS[one], photos) for one in ("ours", "im2rec")}
    for processes in (1, 2):
        result = {
            "photos": f"{kind}: {width} x {height}, {kilobytes:.0f} kB",
            "processes": processes,
            **compare(photos, few, processes, runs),
            "psnr_db": decibels,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
