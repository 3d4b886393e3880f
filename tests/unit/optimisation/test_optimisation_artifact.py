"""An artifact is optimised: what the card says afterwards, and which files there are."""

import json

import numpy as np
import pytest
from pattern_artifact import normalised, pattern_pictures, write_pattern_artifact

from contracts import RUNTIME_FILES, DatasetError
from hosting.model import Model
from optimisation import artifact as optimisation
from optimisation.artifact import optimise


def held_out(count=240):
    pictures, labels = pattern_pictures(count, seed=11)
    return list(zip(normalised(pictures), labels.tolist(), strict=True))


def calibration(scale=1.0):
    return list(normalised(pattern_pictures(40, seed=12)[0]) * np.float32(scale))


def card_of(folder):
    return json.loads((folder / "model-card.json").read_text())


@pytest.fixture(scope="module")
def optimised(tmp_path_factory):
    """(folder, what was returned) of an artifact whose 8 bits are as right."""
    folder = write_pattern_artifact(tmp_path_factory.mktemp("one") / "model", network="patterns")
    return folder, optimise(folder, calibration=calibration(), photos=held_out(), threads=1)


def test_every_runtime_is_measured(optimised):
    """Accuracy and speed of both libraries in both precisions, on photos that are counted."""
    _, runtimes = optimised
    assert set(runtimes["measured"]) == set(RUNTIME_FILES)
    for measured in runtimes["measured"].values():
        assert measured["accuracy"] >= 0.98
        assert 0 < measured["median_ms"] <= measured["p95_ms"]
        assert measured["photos_per_second"] > 0
        assert measured["objection"] is None
    assert runtimes["measured"]["onnxruntime-fp32"]["equal_verdicts"] == 1
    assert (runtimes["photos"], runtimes["calibration_photos"]) == (240, 40)
    assert runtimes["machine"]["threads"] == 1
    assert sorted(runtimes["order"]) == sorted(RUNTIME_FILES)


def test_the_card_holds_it_beside_what_it_held(optimised):
    """And hosting takes the first of the order."""
    folder, runtimes = optimised
    card = card_of(folder)
    assert card["runtimes"] == runtimes
    assert card["network"] == "patterns"
    assert Model.load(folder, threads=1).runtime_name == runtimes["order"][0]
    assert Model.load(folder, threads=1, runtime="onnxruntime-int8").file == "model-int8.onnx"
    assert {path.name for path in folder.parent.iterdir()} == {"model"}


def test_eight_bits_that_lose_accuracy_are_not_kept(tmp_path):
    """Ranges taken from nearly grey pictures cut real ones off; a former file goes too."""
    folder = write_pattern_artifact(tmp_path / "model")
    (folder / "model-int8.onnx").write_bytes(b"of a former run")
    runtimes = optimise(folder, calibration=calibration(0.01), photos=held_out(), threads=1)
    assert not (folder / "model-int8.onnx").exists()
    assert sorted(runtimes["order"]) == ["onnxruntime-fp32", "openvino-fp32"]
    measured = runtimes["measured"]["onnxruntime-int8"]
    assert measured["accuracy"] < 0.98
    assert "accuracy falls by" in measured["objection"]
    assert Model.load(folder, threads=1).file == "model.onnx"


def test_without_openvino_the_other_is_measured(tmp_path, monkeypatch):
    """The extra is none that one must have."""
    monkeypatch.setattr(optimisation, "is_installed", lambda name: name.startswith("onnxruntime"))
    folder = write_pattern_artifact(tmp_path / "model")
    runtimes = optimise(folder, calibration=calibration(), photos=held_out(40), threads=1)
    assert set(runtimes["measured"]) == {"onnxruntime-fp32", "onnxruntime-int8"}
    assert runtimes["order"] == ["onnxruntime-fp32"]


@pytest.mark.parametrize("lacking", ["calibration", "photos"])
def test_no_photos_are_an_error_that_leaves_the_artifact_alone(tmp_path, lacking):
    """Neither a card nor a file is written."""
    folder = write_pattern_artifact(tmp_path / "model")
    before = card_of(folder)
    given = {"calibration": calibration(), "photos": held_out(8)} | {lacking: []}
    with pytest.raises(DatasetError, match="0 photos could be read"):
        optimise(folder, **given, threads=1)
    assert card_of(folder) == before
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model-card.json"}
