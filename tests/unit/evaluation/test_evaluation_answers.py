"""Answers are checked where they are made."""

import numpy as np
import pytest

from contracts import TrainingError
from evaluation.answers import Answers
from evaluation.calibration import apply

CLASSES = ("hat", "shoe")
LOGITS = [[1.0, 2.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    ("classes", "labels", "logits", "message"),
    [
        ((), [], np.zeros((0, 0)), "0 categories"),
        (("hat", "hat"), [0, 1], LOGITS, "'hat' occurs twice"),
        (CLASSES, [0, 1, 0], LOGITS, r"labels of shape \(3,\), expected \(2,\) or \(2, 2\)"),
        (CLASSES, [0, 2], LOGITS, "label 2, expected 0 to 1"),
        (CLASSES, [0, -1], LOGITS, "label -1, expected 0 to 1"),
        (CLASSES, [0, 0.5], LOGITS, "not a whole number"),
        (CLASSES, [[0, 1], [1, 2]], LOGITS, "label 2, expected 0 to 1"),
        (CLASSES, [0, 1], [[1.0], [2.0]], r"logits of shape \(2, 1\), expected \(photos, 2\)"),
        (CLASSES, [0, 1], [[1.0, 2.0], [np.nan, 0.0]], "photo 1 has a logit that is not finite"),
        (CLASSES, [], np.zeros((0, 2)), "0 photos"),
    ],
)
def test_what_does_not_fit_is_refused(classes, labels, logits, message):
    """The offending value is named, then what was expected."""
    with pytest.raises(TrainingError, match=message):
        Answers(classes, np.array(labels), np.array(logits))


def test_names_must_be_as_many_as_photos():
    """One name more would shift every mistake's photo."""
    with pytest.raises(TrainingError, match="3 names, expected 2"):
        Answers(CLASSES, np.array([0, 1]), np.array(LOGITS), ("a", "b", "c"))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_probabilities_come_back_as_they_were(temperature):
    """The temperature that a model has divided by is undone, and a certain 0 and 1 stay finite."""
    given = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    answers = Answers.from_probabilities(CLASSES, [0, 1], given, temperature=temperature)
    np.testing.assert_allclose(apply(answers.logits, temperature), given, atol=1e-6)
    assert not answers.has_energy


def test_multi_label_probabilities_come_back_too():
    """There they are a sigmoid's and need not add up to 1."""
    given = np.array([[0.9, 0.8], [0.1, 0.3]], np.float32)
    answers = Answers.from_probabilities(CLASSES, [[1, 1], [0, 0]], given)
    np.testing.assert_allclose(1 / (1 + np.exp(-answers.logits)), given, atol=1e-6)


def test_a_probability_above_one_is_refused():
    """Logits that are taken for probabilities are found."""
    with pytest.raises(TrainingError, match=r"outside 0\.\.1"):
        Answers.from_probabilities(CLASSES, [0, 1], LOGITS)


def test_a_selection_keeps_rows_together(draw):
    """Labels, logits and names of the chosen photos, in their order."""
    answers = draw(photos=10)
    chosen = answers.select(np.array([7, 2]))
    assert chosen.names == ("photo/7.jpg", "photo/2.jpg")
    assert list(chosen.labels) == [answers.labels[7], answers.labels[2]]
    assert (chosen.logits == answers.logits[[7, 2]]).all()
