"""A temperature takes back what a network is too sure of."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from evaluation.calibration import (
    BINS,
    apply,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
)
from evaluation.ranked import rank


def honest(photos=4000, classes=5, scale=1.0, seed=3):
    """Logits whose softmax is the very chance of the label, then multiplied by `scale`."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2, size=(photos, classes))
    chances = np.cumsum(apply(logits, 1.0).astype(np.float64), axis=1)
    labels = (random.random((photos, 1)) > chances).sum(axis=1)
    return logits * scale, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_the_scale(scale):
    """Logits made too large or too small are brought back."""
    found = fit_temperature(*honest(scale=scale))
    assert found.value == pytest.approx(scale, rel=0.06)
    assert found.note == ""


def test_calibration_error_falls():
    """An overconfident model's error, in bins of equal width and of equal mass."""
    logits, labels = honest(scale=3)
    temperature = fit_temperature(logits, labels).value
    for equal in ("width", "mass"):
        errors = []
        for each in (1.0, temperature):
            chances = apply(logits, each)
            right = chances.argmax(axis=1) == labels
            errors.append(expected_calibration_error(chances.max(axis=1), right, equal=equal))
        assert errors[1] < 0.03 < errors[0]


def test_a_faultless_model_keeps_its_temperature():
    """Where nothing is wrong nothing is learnt about doubt, which is said."""
    found = fit_temperature(np.eye(3) * 4, np.arange(3))
    assert found.value == 1.0
    assert "no photo is answered wrongly" in found.note


def test_a_hopeless_model_is_held_at_the_end():
    """Always wrong and sure of it: the highest temperature, and said so."""
    found = fit_temperature(np.eye(3)[[1, 2, 0]] * 50, np.arange(3))
    assert found.value == pytest.approx(20, rel=0.01)
    assert "held at 20" in found.note


def test_multi_label_temperature(draw_multi_label):
    """It lowers the log loss of the sigmoids."""
    answers = draw_multi_label()
    scaled = answers.logits * 5
    found = fit_temperature(scaled, answers.labels)
    assert found.value == pytest.approx(5 / 2, rel=0.2)  # log odds are twice what was drawn


def test_log_loss_stays_finite_at_large_logits():
    """A logit of 1,000 on the wrong side counts 1,000 and not infinity."""
    from evaluation.answers import Answers

    answers = Answers(("a", "b"), np.array([1]), np.array([[1000.0, 0.0]]))
    assert log_loss(answers) == pytest.approx(1000)
    assert rank(answers).confidence[0] == 1.0


@pytest.mark.parametrize(("equal", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_the_diagram_is_scikit_learns(equal, strategy):
    """Same bins, up to which side of an edge a photo falls."""
    random = np.random.default_rng(5)
    confidences = random.random(1500)
    right = random.random(1500) < confidences
    accuracies, means = calibration_curve(right, confidences, n_bins=BINS, strategy=strategy)
    bins = reliability(confidences, right, equal=equal)
    assert [b["accuracy"] for b in bins] == pytest.approx(list(accuracies), abs=1e-9)
    assert [b["confidence"] for b in bins] == pytest.approx(list(means), abs=1e-9)


def test_a_confidence_of_one_falls_into_the_last_bin():
    """And empty bins are left out."""
    assert reliability([1.0, 1.0], [1, 0]) == [{"photos": 2, "confidence": 1.0, "accuracy": 0.5}]
    assert expected_calibration_error([1.0, 1.0], [1, 0]) == 0.5
    assert len(reliability([0.5], [1], equal="mass")) == 1
