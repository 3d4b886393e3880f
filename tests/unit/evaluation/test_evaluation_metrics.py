"""Every figure is scikit-learn's where it has one, and None where it is undefined."""

import json
import time

import numpy as np
import pytest
from sklearn import metrics as peer

from contracts import TrainingError
from evaluation.answers import Answers
from evaluation.calibration import apply
from evaluation.metrics import measure


@pytest.fixture(params=[2, 3, 40])
def answers(request, draw):
    return draw(classes=request.param, photos=600)


def test_the_figures_are_scikit_learns(answers):
    """Accuracy, averages, agreement, log loss, AUC and matrix against its own functions."""
    found = measure(answers)
    labels, best = answers.labels, answers.logits.argmax(axis=1)
    probabilities = apply(answers.logits, 1.0).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found["accuracy"] == pytest.approx(peer.accuracy_score(labels, best))
    assert found["balanced_accuracy"] == pytest.approx(peer.balanced_accuracy_score(labels, best))
    assert found["mcc"] == pytest.approx(peer.matthews_corrcoef(labels, best))
    assert found["kappa"] == pytest.approx(peer.cohen_kappa_score(labels, best))
    assert found["log_loss"] == pytest.approx(peer.log_loss(labels, probabilities), rel=1e-5)
    assert found["confusion"]["matrix"] == peer.confusion_matrix(labels, best).tolist()
    for average in ("macro", "micro", "weighted"):
        scores = peer.precision_recall_fscore_support(
            labels, best, average=average, zero_division=0
        )
        assert list(found["averages"][average].values()) == pytest.approx(list(scores[:3]))
    for row, k in zip(found["per_category"], range(len(answers.classes)), strict=True):
        own, scores = labels == k, apply(answers.logits, 1.0)[:, k]
        assert row["roc_auc"] == pytest.approx(peer.roc_auc_score(own, scores), abs=1e-5)
        ap = peer.average_precision_score(own, scores)
        assert row["average_precision"] == pytest.approx(ap, abs=1e-4)


def test_top_k_counts_the_places(draw):
    """Each k finds at least as many as the one before; a k of all categories is left out."""
    answers = draw(classes=6)
    found = measure(answers, top_k=(1, 3, 6, 7))["top_k"]
    assert list(found) == ["1", "3", "6"]
    assert found["1"] == measure(answers)["accuracy"]
    expected = peer.top_k_accuracy_score(answers.labels, answers.logits, k=3)
    assert found["3"] == pytest.approx(expected)
    assert found["6"] == 1.0


def test_equal_logits_do_not_count_as_right():
    """A model that says the same to everything finds its first category, and no other."""
    answers = Answers(("a", "b", "c"), np.array([0, 1, 2, 2]), np.zeros((4, 3)))
    found = measure(answers, top_k=(1, 2))
    assert (found["accuracy"], found["top_k"]["2"]) == (0.25, 0.5)
    assert found["mcc"] is None
    assert found["roc_auc"]["macro"] == 0.5


def test_a_category_without_photos_has_no_recall(draw):
    """It is None with a reason, and pulls no macro average down."""
    answers = draw(classes=3)
    wider = Answers(
        (*answers.classes, "never"),
        answers.labels,
        np.hstack([answers.logits, np.full((len(answers), 1), -50.0)]),
    )
    found, narrow = measure(wider), measure(answers)
    (row,) = [row for row in found["per_category"] if row["category"] == "never"]
    figures = [row[k] for k in ("precision", "recall", "f1", "roc_auc", "average_precision")]
    assert figures == [None] * 5
    for average, scores in narrow["averages"].items():
        assert found["averages"][average] == pytest.approx(scores)
    assert found["roc_auc"]["undefined"] == 1
    assert "photos of its own and of others" in found["roc_auc"]["reason"]
    assert narrow["roc_auc"]["reason"] is None


def test_a_single_category_is_measured(draw):
    """One category, always right: what compares categories is None, without a warning."""
    found = measure(draw(classes=1, photos=5))
    assert found["accuracy"] == 1.0
    assert (found["mcc"], found["kappa"], found["roc_auc"]["macro"]) == (None, None, None)


def test_one_photo_is_measured(draw):
    """The smallest folder there is."""
    found = measure(draw(photos=1))
    assert found["photos"] == 1
    assert len(found["coverage"]) == 1


def test_levels_of_the_tree_forgive_what_lies_below(draw):
    """An answer beside the label in the same branch is right above; equal names apart are not."""
    logits = np.eye(4)[[0, 1, 3, 0]]
    answers = Answers(("a", "b", "c", "d"), np.array([0, 0, 0, 3]), logits)
    tree = {"a": ("top", "x"), "b": ("top", "y"), "c": ("other", "z"), "d": ("other", "x")}
    found = measure(answers, tree)
    assert [(row["level"], row["categories"], row["right"]) for row in found["levels"]] == [
        (1, 2, 2),
        (2, 4, 1),
    ]
    assert measure(answers)["levels"] == []


def test_the_worst_pair_comes_first():
    """Of all confusions the most frequent, with its share of the label's photos."""
    answers = Answers(("a", "b"), np.array([0, 0, 0, 1]), np.eye(2)[[1, 1, 0, 0]])
    pairs = measure(answers)["confusion"]["pairs"]
    assert pairs[0] == {"label": "a", "answer": "b", "photos": 2, "share": pytest.approx(2 / 3)}
    assert len(pairs) == 2


def test_thousands_of_categories_take_seconds(draw):
    """1,500 categories and 3,000 photos; the matrix is left out, the document stays JSON."""
    answers = draw(photos=3000, classes=1500, skill=4)
    start = time.process_time()
    found = measure(answers)
    assert time.process_time() - start < 10
    assert found["confusion"]["matrix"] is None
    assert len(found["confusion"]["pairs"]) == 50
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_top_k_below_one_is_refused(draw):
    """It names the value."""
    with pytest.raises(TrainingError, match="top_k=0"):
        measure(draw(), top_k=(0, 1))


def test_coverage_ends_at_the_accuracy(draw):
    """All photos answered give the accuracy; the surest are more often right."""
    found = measure(draw(photos=1000))
    points = found["coverage"]
    assert points[-1]["coverage"] == 1.0
    assert points[-1]["accuracy"] == found["accuracy"]
    assert points[0]["accuracy"] > points[-1]["accuracy"]
    assert len(points) == 20


def test_multi_label_figures_are_scikit_learns(draw_multi_label):
    """Mean average precision and F1 against its own functions."""
    answers = draw_multi_label()
    found = measure(answers)
    named = answers.logits >= 0
    ap = peer.average_precision_score(answers.labels, answers.logits, average="macro")
    assert found["map"] == pytest.approx(ap, abs=1e-6)
    for average in ("macro", "micro", "weighted"):
        expected = peer.f1_score(answers.labels, named, average=average)
        assert found["averages"][average]["f1"] == pytest.approx(expected)
    assert found["exact"] == pytest.approx(peer.accuracy_score(answers.labels, named))
    json.dumps(found, allow_nan=False)


def test_multi_label_without_any_yes_is_measured():
    """No photo of any category: nothing to average, no warning."""
    answers = Answers(("a",), np.zeros((3, 1), int), -np.ones((3, 1)))
    found = measure(answers)
    assert (found["map"], found["exact"]) == (None, 1.0)
    assert found["per_category"][0]["recall"] is None
