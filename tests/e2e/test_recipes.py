"""The recipes in docs/, command by command as they stand there, on photos drawn for the purpose."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bson
import numpy as np
import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ON_A_PORT = "deploy|describe|destroy|classify|models|batch|up"
"""Commands that are told where the test's own cloud is."""
PHOTOS = {"train": 12, "test": 3}
SHAPES = {
    "books": (200, 40, 40),
    "car": (40, 160, 60),
    "furniture": (150, 100, 40),
    "mobile": (30, 30, 30),
    "motorcycle": (40, 80, 200),
}


def draw(category: str, seed: int) -> Image.Image:
    """A coloured thing of the category's own outline on a noisy ground."""
    random = np.random.default_rng([seed, *category.encode()])
    noise = random.integers(150, 250, (120, 160, 3)).astype(np.uint8)
    photo = Image.fromarray(noise)
    pen, (x, y) = ImageDraw.Draw(photo), random.integers(5, 40, 2)
    colour = SHAPES[category]
    if category in {"books", "furniture"}:
        pen.rectangle((x, y, x + 70, y + (60 if category == "books" else 30)), fill=colour)
    elif category == "mobile":
        pen.rounded_rectangle((x, y, x + 35, y + 70), 8, fill=colour)
    else:
        pen.ellipse((x, y, x + 60, y + 40), fill=colour)
    return photo


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train/<category>` and `test/<category>`."""
    root = tmp_path_factory.mktemp("recipes") / "photos"
    for split, count in PHOTOS.items():
        for category in SHAPES:
            folder = root / split / category
            folder.mkdir(parents=True)
            for number in range(count):
                photo = draw(category, 100 * len(split) + number)
                photo.save(folder / f"{number}.jpg", quality=92)
    return root


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which `snapshelf` is this one, and its cloud a cloud of the test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    real = f'"{sys.executable}" -c "from scripts.cli import main; main()"'
    (bin_dir / "snapshelf").write_text(
        f'#!/bin/sh\ncase "$1" in\n{ON_A_PORT}) exec {real} "$@" --port {port} ;;\n'
        f'*) exec {real} "$@" ;;\nesac\n'
    )
    (bin_dir / "snapshelf").chmod(0o755)
    (bin_dir / "python3").symlink_to(sys.executable)
    environment = os.environ | {"PATH": f"{bin_dir}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    yield environment
    subprocess.run(["snapshelf", "down"], cwd=tmp_path, env=environment, check=False)


def follow(recipe: str, folder: Path, environment: dict[str, str]) -> str:
    """Run every `sh` block of a recipe, in order, in one shell that ends at the first failure."""
    text = (ROOT / "docs" / f"{recipe}.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) > 1
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_a_marketplace_from_photos_to_the_reply_of_its_own_clients(
    photos: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    """The page's address, categories of photos, the data URL's reply, and a registered version."""
    (tmp_path / "photos").symlink_to(photos)
    told = follow("marketplace", tmp_path, shell)
    assert (tmp_path / "look" / "check.html").exists()
    assert re.search(r"^page +http://", told, re.MULTILINE)
    assert re.search(r"^photos/test/car/0\.jpg +\S+ \d", told, re.MULTILINE)
    assert re.search(r'\{"0": ?[\d.e-]+.*"4": ?[\d.e-]+, ?"verdict": ?"\w+"\}', told)
    assert re.search(r"^ +1 .* pending .* all", told, re.MULTILINE)
    assert "resources deleted" in told


def test_mobile_or_not_from_the_same_photos(
    photos: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    """Two categories, a threshold by wanted precision, and a model that knows turned photos."""
    (tmp_path / "photos").symlink_to(photos)
    told = follow("mobile", tmp_path, shell)
    assert re.search(r"^mobile or not: [\d.]+% right", told, re.MULTILINE)
    assert re.search(r"^photos/test/mobile/0\.jpg +(mobile|other) \d", told, re.MULTILINE)
    assert "right by one alone:" in told
    assert (tmp_path / "difference" / "differences.csv").exists()


def test_a_nightly_job_from_sorted_photos_to_its_report(
    photos: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    """A table with a row a photo, a crontab's line, a timer, and a page with the photos in it."""
    (tmp_path / "photos").symlink_to(photos)
    told = follow("refund", tmp_path, shell)
    rows = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "filename,prediction,label,confidence,verdict,error"
    assert len(rows) == 1 + PHOTOS["test"] * len(SHAPES)
    assert re.search(r"^0 19 \* \* \* cd .* batch run --in photos/test", told, re.MULTILINE)
    assert "OnCalendar=*-*-* 19:00:00" in told
    page = (tmp_path / "morning.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == len(rows) - 1


def test_a_catalogue_from_bson_to_its_submission_and_its_reply(
    photos: Path, tmp_path: Path, shell: dict[str, str]
) -> None:
    """A row a product, right on most of what it was trained on, and the old service's reply."""
    ids = {name: 1000000001 + n for n, name in enumerate(SHAPES)}
    lines = ["category_id,category_level1,category_level2,category_level3"]
    lines += [f"{number},SHOP,{name[:3].upper()},{name.upper()}" for name, number in ids.items()]
    (tmp_path / "category_names.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for split, told in (("train", True), ("test", False)):
        documents = [
            bson.encode(
                {"_id": n, "imgs": [{"picture": file.read_bytes()}]}
                | ({"category_id": ids[file.parent.name]} if told else {})
            )
            for n, file in enumerate(sorted((photos / split).glob("*/*.jpg")))
        ]
        (tmp_path / f"{split}.bson").write_bytes(b"".join(documents))
    (tmp_path / "photo.jpg").write_bytes((photos / "test" / "car" / "0.jpg").read_bytes())
    told = follow("cdiscount", tmp_path, shell)
    assert re.search(r"right: \d+\.\d+% of products", told)
    rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert rows[0] == "_id,category_id"
    assert len(rows) == 1 + len(SHAPES) * PHOTOS["test"]
    assert re.search(r'"category_l1": ?"SHOP"', told)


def test_the_contest_from_small_pictures_to_the_fastest_runtime(
    tmp_path: Path, shell: dict[str, str]
) -> None:
    """Both networks, what they disagree on, and a measurement of every runtime."""
    random = np.random.default_rng(0)
    for split, count in (("train", 70), ("test", 4)):  # batches are of 150
        for number, category in enumerate(("bag", "coat", "shirt")):
            folder = tmp_path / "fashion" / split / category
            folder.mkdir(parents=True)
            for n in range(count):
                grey = random.normal(60 + 60 * number, 20, (28, 28)).clip(0, 255)
                Image.fromarray(grey.astype(np.uint8)).save(folder / f"{n}.png")
    told = follow("contest", tmp_path, shell)
    assert (tmp_path / "contest_cnn" / "report" / "test" / "report.html").exists()
    assert (tmp_path / "contest_cnn_plain" / "model.tar.gz").exists()
    assert "right by one alone:" in told
    assert "onnxruntime-fp32" in told
    assert "openvino-int8" in told
