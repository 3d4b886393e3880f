"""`snapshelf optimise` on a network that tells patterns, from photos to the artifact."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from pattern_artifact import CLASSES, pattern_card, pattern_pictures, write_pattern_artifact
from PIL import Image

from contracts import SnapshelfError
from infra.sagemaker.artifacts import pack
from scripts.commands.optimise import optimise_command

if TYPE_CHECKING:
    from pathlib import Path


def write_photos(root: Path, count: int, seed: int) -> Path:
    """Category folders of patterns."""
    pictures, labels = pattern_pictures(count, seed)
    for at, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        folder = root / CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{at:03d}.png", compress_level=1)
    return root


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 photos, one of which cannot be read."""
    root = write_photos(tmp_path_factory.mktemp("photos") / "test", 240, seed=21)
    (root / "plain" / "damaged.jpg").write_bytes(b"no photo")
    return root


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 further photos."""
    return write_photos(tmp_path_factory.mktemp("photos") / "train", 40, seed=22)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """The folder that holds model.tar.gz, with a file that hosting does not read."""
    contents = write_pattern_artifact(tmp_path / "contents")
    (contents / "model-shapes.json").write_text("[]")
    (tmp_path / "model").mkdir()
    pack([contents], tmp_path / "model" / "model.tar.gz")
    return tmp_path / "model"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(optimise_command, [str(each) for each in arguments])


def files(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def test_the_artifact_gets_eight_bits_and_a_card_that_says_so(
    artifact: Path, held_out: Path, training: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In place; the table shows both precisions, and the photo that was left out is named."""
    result = run(artifact, "--photos", held_out, "--calibrate-on", training, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert files(artifact / "model.tar.gz") == {
        "model.onnx",
        "model-int8.onnx",
        "model-card.json",
        "model-shapes.json",
    }
    head, *lines = result.stdout.splitlines()
    assert head.split()[:2] == ["runtime", "accuracy"]
    assert [line.split()[0] for line in lines[:4]] == [
        "onnxruntime-fp32",
        "onnxruntime-int8",
        "openvino-fp32",
        "openvino-int8",
    ]
    assert "240 photos, calibrated on 40 others" in lines
    assert lines[-1].startswith("hosting takes ")
    assert "damaged.jpg: left out" in caplog.text
    assert {path.name for path in artifact.iterdir()} == {"model.tar.gz", ".lock"}


def test_without_training_photos_a_tenth_is_set_apart(
    artifact: Path, held_out: Path, tmp_path: Path
) -> None:
    """What the ranges were taken from measures nothing; the result may go elsewhere."""
    before = (artifact / "model.tar.gz").read_bytes()
    result = run(artifact, "--photos", held_out, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["calibration_photos"] in {24, 25}
    assert told["photos"] == 240 - told["calibration_photos"]
    assert (artifact / "model.tar.gz").read_bytes() == before
    with tarfile.open(tmp_path / "out" / "model.tar.gz") as tar:
        card = json.loads(tar.extractfile("model-card.json").read())  # type: ignore[union-attr]
    assert card["runtimes"] == told


def test_as_many_photos_as_wanted_set_the_ranges(
    artifact: Path, held_out: Path, training: Path
) -> None:
    """Evenly taken, so that every category has some."""
    arguments = ("--photos", held_out, "--calibrate-on", training, "--calibration-photos", 8)
    result = run(artifact, *arguments, "--json")
    assert json.loads(result.stdout)["calibration_photos"] == 8


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (pattern_card(multi_label=True), "multi_label true"),
        ({"version": "1"}, "expected a model card"),
        (pattern_card(classes=["a", "b", "c", "d"]), "unknown category across"),
    ],
)
def test_a_model_that_folders_cannot_measure_is_refused(
    artifact: Path, held_out: Path, tmp_path: Path, card: dict[str, object], reason: str
) -> None:
    """With the reason, and the artifact as it was."""
    contents = tmp_path / "contents"
    (contents / "model-card.json").write_text(json.dumps(card))
    pack([contents], artifact / "model.tar.gz")
    before = (artifact / "model.tar.gz").read_bytes()
    result = run(artifact, "--photos", held_out)
    assert isinstance(result.exception, SnapshelfError)
    assert reason in result.exception.message
    assert (artifact / "model.tar.gz").read_bytes() == before
