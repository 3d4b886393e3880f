"""`snapshelf train` and `snapshelf evaluate` on drawn photos, by the real training process."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from contracts import SnapshelfError
from recordio_prep import prepare
from scripts.commands.evaluate import evaluate_command
from scripts.commands.train import train_command

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"blue": (20, 20, 200), "red": (200, 20, 20)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, records/ and model/ of two categories, told apart by colour."""
    root = tmp_path_factory.mktemp("shop")
    for name, (red, green, blue) in COLOURS.items():
        (root / "photos" / name).mkdir(parents=True)
        for number in range(12):
            image = Image.new("RGB", (40, 30), (red, green + 4 * number, blue))
            image.save(root / "photos" / name / f"{number:02d}.png")
    prepare(root / "photos", root / "records", size=28)
    result = train(root, "--epochs", "2", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["metrics"]["photos"] == {"train": 16, "validation": 8}
    return root


def train(root: Path, *options: str) -> Result:
    arguments = [str(root / "records"), "--out", str(root / "model"), "--network", "resnet18"]
    arguments += ["--set", "mini_batch_size=8", *options]
    return CliRunner().invoke(train_command, arguments)


def test_train_leaves_the_artifact_and_nothing_half_made(shop: Path) -> None:
    """model.tar.gz holds the built-in algorithm's files and ours; the job's folder is gone."""
    assert {path.name for path in (shop / "model").iterdir()} == {".lock", "model.tar.gz", "report"}
    with tarfile.open(shop / "model" / "model.tar.gz") as archive:
        names = set(archive.getnames())
    assert {
        "image-classification-symbol.json",
        "model-shapes.json",
        "model-card.json",
        "model.onnx",
    } < names


def test_a_bad_hyperparameter_keeps_the_former_model(shop: Path) -> None:
    """The value and what was expected are told; the artifact of the last good run stays."""
    before = (shop / "model" / "model.tar.gz").read_bytes()
    result = train(shop, "--set", "learning_rate=7")
    assert isinstance(result.exception, SnapshelfError)
    assert "learning_rate=7.0: expected a number from 0 to 1" in result.exception.message
    assert (shop / "model" / "model.tar.gz").read_bytes() == before


def test_a_setting_without_a_value_is_wrong_usage(shop: Path) -> None:
    """`--set epochs` names no value: exit code 2."""
    assert train(shop, "--set", "epochs").exit_code == 2


def test_records_that_are_none_are_told(tmp_path: Path) -> None:
    """A folder without dataset.json is named, with the command that makes one."""
    arguments = [str(tmp_path), "--out", str(tmp_path / "model")]
    result = CliRunner().invoke(train_command, arguments)
    assert isinstance(result.exception, SnapshelfError)
    assert "snapshelf prepare" in result.exception.hint


def test_evaluate_lists_what_it_could_not_read(shop: Path, tmp_path: Path) -> None:
    """A damaged photo counts neither way and stands in predictions.csv with its reason."""
    photos = tmp_path / "photos"
    for name, colour in COLOURS.items():
        (photos / name).mkdir(parents=True)
        Image.new("RGB", (40, 30), colour).save(photos / name / "good.png")
    (photos / "red" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot much of a photo")
    arguments = [str(shop / "model"), str(photos), "--out", str(tmp_path / "report"), "--json"]
    result = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    metrics = json.loads(result.stdout)
    assert (metrics["photos"], metrics["unreadable"]) == (2, 1)
    rows = (tmp_path / "report" / "predictions.csv").read_text().splitlines()
    (bad,) = [row for row in rows if row.startswith("red/bad.png,red,,0.0,")]
    assert "cannot be decoded" in bad or "not a photo" in bad
