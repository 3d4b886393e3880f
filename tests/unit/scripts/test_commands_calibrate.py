"""`snapshelf calibrate`, from photos to the artifact."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import onnx
import pytest
from click.testing import CliRunner, Result
from pattern_artifact import CLASSES, noisy_pictures, pattern_card, pattern_network
from PIL import Image

from contracts import SnapshelfError
from infra.sagemaker.artifacts import pack
from scripts.commands.calibrate import calibrate_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 photos full of noise, and one that cannot be read."""
    root = tmp_path_factory.mktemp("photos")
    pictures, labels = noisy_pictures(80, seed=51)
    for at, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        folder = root / CLASSES[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{at:03d}.png", compress_level=1)
    (root / "plain" / "damaged.png").write_bytes(b"no photo")
    return root


def write_model(folder: Path, network: bytes | None = None, **card: object) -> Path:
    contents = folder / "contents"
    contents.mkdir()
    (contents / "model.onnx").write_bytes(network or pattern_network())
    (contents / "model-card.json").write_text(json.dumps(pattern_card(**card)))
    pack([contents], folder / "model.tar.gz")
    return folder / "model.tar.gz"


def card_of(archive: Path) -> dict[str, object]:
    with tarfile.open(archive) as tar:
        card: dict[str, object] = json.loads(tar.extractfile("model-card.json").read())  # type: ignore[union-attr]
        return card


def run(*arguments: object) -> Result:
    return CliRunner().invoke(calibrate_command, [str(each) for each in arguments])


def test_the_artifact_gets_a_temperature(
    tmp_path: Path, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In place; the error before and after is told, and the photo that was left out."""
    archive = write_model(tmp_path)
    result = run(archive, "--photos", photos)
    assert result.exit_code == 0, result.output
    assert "fitted on 80 photos" in result.stdout
    assert "expected calibration error" in result.stdout
    assert "damaged.png: left out" in caplog.text
    assert card_of(archive)["temperature"] != 1


def test_the_result_may_go_elsewhere(tmp_path: Path, photos: Path) -> None:
    """And be read by programs."""
    archive = write_model(tmp_path)
    before = archive.read_bytes()
    precision = ("--wanted-precision", 0.9)
    result = run(archive, "--photos", photos, "--out", tmp_path / "out", *precision, "--json")
    told = json.loads(result.stdout)
    card = card_of(tmp_path / "out" / "model.tar.gz")
    assert told["photos"] == 80
    assert told["calibration_error"]["after"] < told["calibration_error"]["before"]
    assert (told["temperature"], told["thresholds"]) == (card["temperature"], card["thresholds"])
    assert archive.read_bytes() == before


def without_logits() -> bytes:
    model = onnx.load_from_string(pattern_network())
    kept = [output for output in model.graph.output if output.name == "probabilities"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    serialised: bytes = model.SerializeToString()
    return serialised


@pytest.mark.parametrize(
    ("network", "card", "reason"),
    [
        (None, {"multi_label": True}, "multi_label true"),
        (without_logits, {}, "expected an output logits"),
    ],
)
def test_a_model_that_cannot_be_calibrated_stays_as_it_was(
    tmp_path: Path, photos: Path, network: object, card: dict[str, object], reason: str
) -> None:
    """With the reason."""
    archive = write_model(tmp_path, network() if callable(network) else None, **card)
    before = archive.read_bytes()
    result = run(archive, "--photos", photos)
    assert isinstance(result.exception, SnapshelfError)
    assert reason in result.exception.message
    assert archive.read_bytes() == before


def test_photos_none_of_which_can_be_read_are_refused(tmp_path: Path) -> None:
    """There is nothing to fit on."""
    (tmp_path / "photos" / "plain").mkdir(parents=True)
    (tmp_path / "photos" / "plain" / "a.jpg").write_bytes(b"no photo")
    result = run(write_model(tmp_path), "--photos", tmp_path / "photos")
    assert isinstance(result.exception, SnapshelfError)
    assert "none of the photos could be read" in result.exception.message
