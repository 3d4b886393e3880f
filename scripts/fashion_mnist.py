"""Fetches Fashion-MNIST, verified, and writes it out as category folders."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gzip
import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

CATEGORIES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""In the order of the authors' labels, 0 to 9."""

FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""The authors' files, with the SHA-256 of each *uncompressed*: gzip's bytes differ by packager."""

SITE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
PACKAGE = "dataset-fashion-mnist"
_PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")

_MAX_BYTES = 64_000_000
_TIMEOUT_SECONDS = 60
_PNG_COMPRESSION = 0  # twice as fast as 1, and a file takes one 4 KB block of the disk anyway
_SIDE = 28
_PARTS = {"train": "train", "test": "t10k"}
_STAMP_FILE = ".stamp.json"


def fetch_fashion_mnist(cache: Path) -> Path:
    """A folder with the four gzipped IDX files, every one verified; kept in `cache` for next time.

    They come from Debian's package (apt needs no root for that), else from the authors' site.

    Raises:
        DatasetError: neither could be reached, or gave the right files.
    """
    folder = cache / "fashion-mnist"
    if folder.is_dir():  # it was put there whole, and `write_folders` verifies what it reads
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    faults = []
    for name, download in (("Debian's package", _from_debian), ("the authors' site", _from_site)):
        with tempfile.TemporaryDirectory(prefix=".fashion-mnist-", dir=cache) as scratch:
            logger.info("Fetching Fashion-MNIST (31 MB) from %s", name)
            try:
                found = download(Path(scratch))
                fault = _fault(found)
            except (OSError, subprocess.SubprocessError) as error:
                fault = _reason(error)
            if fault is None:
                if not folder.is_dir():  # another run may have been quicker
                    found.replace(folder)
                return folder
            faults.append(f"{name}: {fault}")
    raise DatasetError(
        f"Fashion-MNIST could not be fetched ({'; '.join(faults)})",
        hint="give photos of your own, in category folders: `--photos DIR`",
    )


def write_folders(
    source: Path,
    out: Path,
    *,
    train_per_class: int | None = None,
    test_per_class: int | None = None,
) -> None:
    """Write `out/{train,test}/<category>/NNNNN.png`, grey, 28 x 28 pixels.

    NNNNN is the picture's place in the authors' file, from 0. What is there from a former run with
    the same numbers is kept.

    Args:
        source: What `fetch_fashion_mnist` returned.
        out: The folder to write; what else it holds of `train` and `test` is replaced.
        train_per_class: The first so many of each category; None for all 6,000.
        test_per_class: Likewise, of 1,000.

    Raises:
        DatasetError: the files are not Fashion-MNIST's.
    """
    wanted = {"train": train_per_class, "test": test_per_class}
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        if _is_written(out, wanted):
            logger.info("%s is up to date", out)
            return
        (out / _STAMP_FILE).unlink(missing_ok=True)
        counts = {part: _write_part(source, out, part, limit) for part, limit in wanted.items()}
        _save_stamp(out, {"wanted": wanted, "written": counts})


def _write_part(source: Path, out: Path, part: str, limit: int | None) -> int:
    pictures, labels = _read_part(source, _PARTS[part])
    folder = out / part
    shutil.rmtree(folder, ignore_errors=True)
    for category in CATEGORIES:
        (folder / category).mkdir(parents=True)
    chosen = list(_first_of_each(labels, limit))
    for index in tqdm(chosen, desc=f"Writing {part}", unit="photo", disable=None):
        path = folder / CATEGORIES[labels[index]] / f"{index:05d}.png"
        Image.fromarray(pictures[index]).save(path, compress_level=_PNG_COMPRESSION)
    return len(chosen)


def _first_of_each(labels: np.ndarray[Any, np.dtype[np.uint8]], limit: int | None) -> Iterator[int]:
    seen: Counter[int] = Counter()
    for index, label in enumerate(labels.tolist()):
        if limit is None or seen[label] < limit:
            seen[label] += 1
            yield index


def _read_part(
    source: Path, name: str
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint8]]]:
    """Pictures (N, 28, 28) and labels (N,) of one part.

    IDX files have headers of 16 and 8 bytes, then the values (Yann LeCun's MNIST page).
    """
    pictures = np.frombuffer(_verified(source, f"{name}-images-idx3-ubyte"), np.uint8, offset=16)
    labels = np.frombuffer(_verified(source, f"{name}-labels-idx1-ubyte"), np.uint8, offset=8)
    return pictures.reshape(-1, _SIDE, _SIDE), labels


def _verified(folder: Path, name: str) -> bytes:
    path = folder / f"{name}.gz"
    try:
        with gzip.open(path) as file:
            data = file.read(_MAX_BYTES)
    except (OSError, EOFError) as error:  # gzip's own errors are OSErrors
        raise DatasetError(f"{path}: {_reason(error)}", hint="remove it and try again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != FILES[name]:
        raise DatasetError(
            f"{path}: SHA-256 {digest}, expected {FILES[name]}", hint="remove it and try again"
        )
    return data


def _fault(folder: Path) -> str | None:
    """What is wrong with a folder of the four files; None if they are as they should be."""
    try:
        for name in FILES:
            _verified(folder, name)
    except DatasetError as error:
        return error.message
    return None


def _from_debian(scratch: Path) -> Path:
    _run(["apt-get", "download", PACKAGE], scratch)
    packages = sorted(scratch.glob(f"{PACKAGE}_*.deb"))
    if not packages:
        raise FileNotFoundError(f"apt-get download left no {PACKAGE}_*.deb")
    _run(["dpkg", "-x", packages[0].name, "extracted"], scratch)
    return scratch / "extracted" / _PACKAGE_FOLDER


def _run(argv: list[str], folder: Path) -> None:
    subprocess.run(
        argv,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS * 5,
    )


def _from_site(scratch: Path) -> Path:
    for name in FILES:
        address = f"{SITE}{name}.gz"
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310 (SITE is http)
            (scratch / f"{name}.gz").write_bytes(reply.read(_MAX_BYTES))
    found = scratch / "files"
    found.mkdir()
    for name in FILES:
        (scratch / f"{name}.gz").replace(found / f"{name}.gz")
    return found


def _reason(error: BaseException) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        last = (error.stderr or "").strip().splitlines()[-1:]
        return f"{' '.join(error.cmd[:2])} failed" + "".join(f": {line}" for line in last)
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _is_written(out: Path, wanted: dict[str, int | None]) -> bool:
    try:
        stamp = json.loads((out / _STAMP_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(
        stamp.get("wanted") == wanted
        and stamp.get("written") == {part: _count(out / part) for part in wanted}
    )


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*/*.png"))


def _save_stamp(out: Path, stamp: dict[str, Any]) -> None:
    temporary = out / f"{_STAMP_FILE}.partial"
    temporary.write_text(json.dumps(stamp), encoding="utf-8")
    temporary.replace(out / _STAMP_FILE)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Two runs at once take turns; the kernel drops the lock with the process."""
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """`python -m scripts.fashion_mnist FOLDER`: all 70,000 pictures as category folders."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="gets train/<category>/ and test/<category>/")
    folder = parser.parse_args().folder
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        write_folders(fetch_fashion_mnist(folder / "downloads"), folder)
    except DatasetError as error:
        raise SystemExit(f"ERROR {error.message}\nHINT  {error.hint}") from error


if __name__ == "__main__":
    main()
