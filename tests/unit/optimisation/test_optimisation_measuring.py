"""Accuracy and equal verdicts, counted over batches that are not full."""

import numpy as np
import pytest
from pattern_artifact import normalised, pattern_pictures, write_pattern_artifact

from contracts import DatasetError
from hosting.model import Model
from optimisation.measuring import BATCH, measure_accuracy, measure_speed


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The network whose every category has the same threshold."""
    return Model.load(write_pattern_artifact(tmp_path_factory.mktemp("one")), threads=1)


@pytest.fixture(scope="module")
def stricter(tmp_path_factory):
    """The same network, which never names plain photos."""
    trust = {"temperature": 1.0, "thresholds": {"plain": None}}
    return Model.load(write_pattern_artifact(tmp_path_factory.mktemp("two"), **trust), threads=1)


def test_answers_are_counted(model, stricter):
    """A verdict differs where a threshold does; accuracy is of the best category alone."""
    pictures, labels = pattern_pictures(BATCH + 8, seed=3)
    wrong = [(label + 1) % 4 if at == 0 else label for at, label in enumerate(labels.tolist())]
    photos = zip(normalised(pictures), wrong, strict=True)
    count, found = measure_accuracy({"onnxruntime-fp32": model, "other": stricter}, photos)
    best = [np.argmax(answer.probabilities) for answer in model.answers(normalised(pictures))]
    right = sum(one == label for one, label in zip(best, wrong, strict=True))
    assert count == BATCH + 8
    assert found["onnxruntime-fp32"].accuracy == found["other"].accuracy == right / count
    assert found["onnxruntime-fp32"].equal_verdicts == 1
    assert found["other"].equal_verdicts == pytest.approx(0.75, abs=0.03)


def test_no_photo_is_an_error(model):
    """There is nothing to divide by."""
    with pytest.raises(DatasetError, match="0 photos could be read"):
        measure_accuracy({"onnxruntime-fp32": model}, [])


def test_one_picture_is_enough_to_measure_speed(model):
    """It is repeated; figures are rounded to microseconds."""
    (picture,) = normalised(pattern_pictures(1)[0])
    speed = measure_speed({"onnxruntime-fp32": model}, [picture])["onnxruntime-fp32"].to_dict()
    assert 0 < speed["median_ms"] <= speed["p95_ms"]
    assert speed["photos_per_second"] > 0
