"""Accuracy by the class that a photo's name carries."""

import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from batch.accuracy import accuracy_lines, class_in_name, measure_accuracy
from batch.outcomes import Outcome

TRUE = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3]
FOUND = [0, 0, 1, 1, 2, 2, 2, 2, 0, 4]


def outcomes(true=TRUE, found=FOUND):
    pairs = zip(true, found, strict=True)
    return [(f"image_{n}_label_{t}.png", Outcome(f)) for n, (t, f) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("image_7_label_3.png", 3),
        ("sub/image_7_label_12.png", 12),
        ("label_5/photo.png", None),
        ("image.png", None),
        ("label_1_label_2.png", 2),
        ("label_20261124190000.png", None),
    ],
)
def test_the_class_is_read_from_the_name(name, label):
    """The photo's own, the last one; a date is no class."""
    assert class_in_name(name) == label


def test_the_figures_are_scikit_learns():
    """Accuracy, precision, recall and F1 of every class that was shown or named."""
    measured = measure_accuracy(outcomes())
    precision, recall, f1, photos = precision_recall_fscore_support(TRUE, FOUND, zero_division=0)
    assert measured.accuracy == accuracy_score(TRUE, FOUND)
    for n, one in enumerate(measured.classes):
        assert (one.label, one.photos) == (n, photos[n])
        assert (one.precision or 0.0) == pytest.approx(precision[n])
        assert (one.recall or 0.0) == pytest.approx(recall[n])
        assert (one.f1 or 0.0) == pytest.approx(f1[n])


def test_what_is_undefined_is_none():
    """Class 3 is never named, class 4 never shown."""
    three, four = measure_accuracy(outcomes()).classes[3:]
    assert (three.precision, three.recall) == (None, 0.0)
    assert (four.precision, four.recall, four.f1) == (0.0, None, None)


def test_photos_without_a_class_or_an_answer_do_not_count():
    """They are neither right nor wrong."""
    more = [("image.png", Outcome(1)), ("label_1.png", Outcome(error="no photo", code="x"))]
    assert measure_accuracy(outcomes() + more).photos == 10
    assert measure_accuracy(more) is None


def test_the_report_has_a_line_a_class():
    """Figures with two digits, and a dash for what is undefined."""
    lines = accuracy_lines(measure_accuracy(outcomes()))
    assert lines[0] == "accuracy 60.00% (6 of 10)"
    assert lines[2].split() == ["0", "0.67", "0.67", "0.67", "3"]
    assert lines[-1].split() == ["4", "0.00", "-", "-", "0"]
