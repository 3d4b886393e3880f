"""An artifact is calibrated: what its network, its card and its files are afterwards."""

import json

import numpy as np
import onnx
import pytest
from pattern_artifact import (
    CLASSES,
    noisy_pictures,
    normalised,
    pattern_network,
    write_pattern_artifact,
)

from contracts import ArtifactError
from evaluation.answers import Answers
from hosting.model import Model
from optimisation.calibrating import calibrate, set_temperature


def too_unsure(model, count=400):
    """Answers to photos full of noise: the network is far more often right than it is sure."""
    pictures, labels = noisy_pictures(count, seed=41)
    _, logits = model.predict_both(normalised(pictures))
    return Answers(CLASSES, labels, logits)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """(folder, answers before, what was fitted) of an artifact that had been optimised."""
    folder = write_pattern_artifact(
        tmp_path_factory.mktemp("model"),
        network="patterns",
        runtimes={"order": ["onnxruntime-int8"]},
    )
    (folder / "model-int8.onnx").write_bytes(b"of other verdicts")
    answers = too_unsure(Model.load(folder, threads=1, runtime="onnxruntime-fp32"))
    return folder, answers, calibrate(folder, answers)


def test_the_error_falls_and_no_verdict_changes(calibrated):
    """One number for all categories, below 1 for a network that is too unsure."""
    folder, answers, found = calibrated
    assert found.trust.temperature < 0.8
    assert found.after < found.before / 2
    model = Model.load(folder, threads=1)
    probabilities, logits = model.predict_both(normalised(noisy_pictures(400, seed=41)[0]))
    np.testing.assert_array_equal(logits, answers.logits)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), answers.logits.argmax(axis=1))
    powers = np.exp(logits / np.float32(found.trust.temperature))
    np.testing.assert_allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_card_has_what_was_fitted(calibrated):
    """And another version, since it is another network; hosting gives verdicts by it."""
    folder, _, found = calibrated
    card = json.loads((folder / "model-card.json").read_text())
    assert card["temperature"] == found.trust.temperature
    assert set(card["thresholds"]) == set(CLASSES)
    assert card["familiarity"] == {"energy": found.trust.bound}
    assert card["network"] == "patterns"
    assert card["version"] != "0123456789ab"
    assert len(card["version"]) == 12
    assert Model.load(folder, threads=1).trust.fitted


def test_what_was_measured_with_other_verdicts_goes(calibrated):
    """The 8-bit network with it: `optimise` makes both again."""
    folder, _, _ = calibrated
    assert "runtimes" not in json.loads((folder / "model-card.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model-card.json"}


def test_calibrating_again_gives_the_same(calibrated):
    """It is fitted on logits before any temperature, not on what the first time left."""
    folder, _, found = calibrated
    before = (folder / "model.onnx").read_bytes()
    again = calibrate(folder, too_unsure(Model.load(folder, threads=1)))
    assert again == found
    assert (folder / "model.onnx").read_bytes() == before


def test_a_network_without_a_temperature_is_refused(tmp_path):
    """With what was expected, and nothing is written."""
    model = onnx.load_from_string(pattern_network())
    (softmax,) = (node for node in model.graph.node if node.op_type == "Softmax")
    softmax.input[0] = "logits"
    (division,) = (node for node in model.graph.node if node.op_type == "Div")
    model.graph.node.remove(division)
    with pytest.raises(ArtifactError, match="divides logits by no temperature") as caught:
        set_temperature(model.SerializeToString(), 2.0)
    assert caught.value.hint
    folder = write_pattern_artifact(tmp_path)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    card = (folder / "model-card.json").read_text()
    with pytest.raises(ArtifactError):
        calibrate(folder, too_unsure(Model.load(folder, threads=1)))
    assert (folder / "model-card.json").read_text() == card
