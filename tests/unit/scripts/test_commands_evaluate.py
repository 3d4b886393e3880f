"""`snapshelf evaluate` on an artifact whose network is the mean colour of a photo."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from contracts import SnapshelfError
from scripts.commands.evaluate import evaluate_command

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 16
COLOURS = {"blue": (20, 20, 220), "green": (20, 220, 20), "red": (220, 20, 20)}
TEMPERATURE = 2.0


def network(*, with_logits: bool, weight: float) -> bytes:
    """Logits are the normalised mean of blue, green and red; probabilities at TEMPERATURE."""
    weights = np.eye(3, dtype=np.float32)[::-1] * np.float32(weight)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["probabilities"]),
    ]
    names = ["probabilities", "logits"] if with_logits else ["probabilities"]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in names],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.float32(TEMPERATURE), "temperature"),
        ],
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


CARD = {
    "version": "0123456789ab",
    "network": "colour",
    "classes": sorted(COLOURS),
    "photo": {
        "size": SIZE,
        "fit": "squash",
        "statistics": {"mean": [100.0] * 3, "std": [50.0] * 3},
    },
    "metrics": {"epochs": [{"number": 0, "train_accuracy": 0.5, "validation_accuracy": 0.4}]},
}
TRUST = {
    "temperature": TEMPERATURE,
    "thresholds": {"blue": 0.5, "green": 0.5, "red": 0.99},
    "familiarity": {"energy": 2.0},
}


def write_artifact(
    folder: Path, card: dict[str, object], *, with_logits: bool = True, weight: float = 1.0
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "model-card.json": json.dumps(card).encode(),
        "model.onnx": network(with_logits=with_logits, weight=weight),
    }
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos of each colour; one of the red ones is blue, one of the blue ones grey."""
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (30, 20), colour).save(tmp_path / "photos" / name / f"{number}.png")
    Image.new("RGB", (30, 20), COLOURS["blue"]).save(tmp_path / "photos" / "red" / "0.png")
    Image.new("RGB", (30, 20), (90, 90, 91)).save(tmp_path / "photos" / "blue" / "0.png")
    return tmp_path / "photos"


def evaluate(tmp_path: Path, photos: Path, *options: str, **artifact: object) -> Result:
    card = {**CARD, **artifact.pop("card", TRUST)}  # type: ignore[dict-item]
    model = write_artifact(tmp_path / "model", card, **artifact)  # type: ignore[arg-type]
    arguments = [str(model), str(photos), "--out", str(tmp_path / "out"), *options]
    return CliRunner().invoke(evaluate_command, arguments)


def predictions(tmp_path: Path) -> dict[str, dict[str, str]]:
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_three_files_are_written(tmp_path: Path, photos: Path) -> None:
    """And nothing half made beside them; the page shows the model's epochs and its mistake."""
    result = evaluate(tmp_path, photos)
    assert result.exit_code == 0, result.output
    assert "accuracy 91.67% (11 of 12)" in result.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"metrics.json", "predictions.csv", "report.html"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "colour on photos" in page
    assert "accuracy by epoch" in page
    assert "data:image/jpeg;base64," in page


def test_the_former_keys_stay(tmp_path: Path, photos: Path) -> None:
    """What programs read from metrics.json before is still there."""
    metrics = json.loads(evaluate(tmp_path, photos, "--json").stdout)
    assert (metrics["right"], metrics["photos"], metrics["unreadable"]) == (11, 12, 0)
    assert metrics["recall"] == {"blue": 1.0, "green": 1.0, "red": 0.75}
    assert metrics["model_version"] == "0123456789ab"
    assert metrics["photos_per_second"] > 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics


def test_verdicts_follow_the_card(tmp_path: Path, photos: Path) -> None:
    """Grey is unfamiliar, red never reaches its threshold, blue is named."""
    assert evaluate(tmp_path, photos).exit_code == 0
    rows = predictions(tmp_path)
    assert (rows["blue/0.png"]["verdict"], rows["blue/0.png"]["reason"]) == ("none", "unfamiliar")
    assert rows["red/1.png"]["reason"] == "below threshold"
    assert rows["red/0.png"]["verdict"] == "blue"
    verdicts = json.loads((tmp_path / "out" / "metrics.json").read_text())["verdicts"]
    counts = [verdicts[key] for key in ("named", "below_threshold", "unfamiliar")]
    assert counts == [8, 3, 1]


def test_probabilities_alone_give_the_same_metrics(tmp_path: Path, photos: Path) -> None:
    """An older artifact has no logits: its temperature is undone, and no energy is made up."""
    both = json.loads(evaluate(tmp_path, photos, "--json").stdout)
    one = json.loads(evaluate(tmp_path, photos, "--json", with_logits=False).stdout)
    assert one["log_loss"] == pytest.approx(both["log_loss"], rel=1e-4)
    before = [each["calibration"]["before"]["log_loss"] for each in (one, both)]
    assert before[0] == pytest.approx(before[1], rel=1e-4)
    assert one["verdicts"]["unfamiliar"] == 0


def test_a_card_without_trust_is_measured_as_it_is(tmp_path: Path, photos: Path) -> None:
    """No temperature, no thresholds: the one threshold of old decides."""
    card = {"threshold": 0.999}
    result = evaluate(tmp_path, photos, "--json", card=card, with_logits=False)
    metrics = json.loads(result.stdout)
    assert metrics["temperature"] is None
    assert {row["verdict"] for row in predictions(tmp_path).values()} == {"none"}
    assert metrics["verdicts"]["named"] == 0


def test_one_category_against_the_rest(tmp_path: Path, photos: Path) -> None:
    """--positive adds its own metrics, at the threshold that the card has for it."""
    result = evaluate(tmp_path, photos, "--positive", "blue")
    assert "blue or not: " in result.stdout
    positive = json.loads((tmp_path / "out" / "metrics.json").read_text())["positive"]
    assert (positive["threshold"], positive["positives"]) == (0.5, 4)
    assert positive["counts"]["false_positives"] == 1


def test_an_unknown_positive_is_told_before_anything_is_asked(tmp_path: Path, photos: Path) -> None:
    """With the categories that there are."""
    error = evaluate(tmp_path, photos, "--positive", "pink").exception
    assert isinstance(error, SnapshelfError)
    assert "--positive pink: unknown category, expected one of blue, green, red" in error.message


def test_a_model_of_several_categories_a_photo_is_refused(tmp_path: Path, photos: Path) -> None:
    """Its probabilities are no softmax's, and folders tell but one category."""
    error = evaluate(tmp_path, photos, card=TRUST | {"multi_label": True}).exception
    assert isinstance(error, SnapshelfError)
    assert "multi_label true in the model card" in error.message


def test_top_k_and_wanted_precision_are_taken(tmp_path: Path, photos: Path) -> None:
    """Each k asked for stands in metrics.json, and thresholds are chosen by precision."""
    options = ["--top-k", "2", "--wanted-precision", "0.9", "--json"]
    metrics = json.loads(evaluate(tmp_path, photos, *options).stdout)
    assert list(metrics["top_k"]) == ["1", "2"]
    assert {row["how"] for row in metrics["thresholds"]} == {"too few photos"}


@pytest.mark.parametrize("option", ["--top-k=0", "--wanted-precision=0", "--wanted-precision=1.5"])
def test_a_value_out_of_range_is_wrong_usage(tmp_path: Path, photos: Path, option: str) -> None:
    """Exit code 2, before anything is read."""
    assert evaluate(tmp_path, photos, option).exit_code == 2


def test_photos_that_cannot_be_read_count_neither_way(tmp_path: Path, photos: Path) -> None:
    """One is listed with its reason; where all are, that is an error."""
    for path in photos.rglob("*.png"):
        if path.parent.name != "green":
            path.write_bytes(b"\x89PNG\r\n\x1a\nnot much of a photo")
    metrics = json.loads(evaluate(tmp_path, photos, "--json").stdout)
    assert (metrics["photos"], metrics["unreadable"]) == (4, 8)
    assert predictions(tmp_path)["red/1.png"]["error"]
    assert "count neither way" in (tmp_path / "out" / "report.html").read_text()
    for path in photos.rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\nnot much of a photo")
    error = evaluate(tmp_path, photos).exception
    assert isinstance(error, SnapshelfError)
    assert error.message == "none of the photos could be read"


def test_folders_that_do_not_fit_are_told(tmp_path: Path, photos: Path) -> None:
    """A category that the model does not know, and a folder without photos."""
    (photos / "red").rename(photos / "pink")
    unknown = evaluate(tmp_path, photos).exception
    assert isinstance(unknown, SnapshelfError)
    assert "unknown category pink, expected some of blue, green, red" in unknown.message
    (tmp_path / "empty").mkdir()
    nothing = evaluate(tmp_path, tmp_path / "empty").exception
    assert isinstance(nothing, SnapshelfError)
    assert "Found 0 photos" in nothing.message


def test_an_answer_that_is_no_number_ends_the_command(tmp_path: Path, photos: Path) -> None:
    """With the photo's name: a NaN in metrics.json would be no JSON."""
    error = evaluate(tmp_path, photos, weight=3e38).exception
    assert isinstance(error, SnapshelfError)
    assert error.message.startswith("blue/1.png: model.onnx answers ")
