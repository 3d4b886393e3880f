"""One verdict from all photos of a product, and how often it is right."""

import numpy as np
import pytest

from evaluation.products import ProductScore, product_verdict

TREE = {"1": ("home", "bed"), "2": ("home", "table"), "3": ("sport", "ball")}


def rows(*values):
    """(photos, 3) probabilities."""
    return np.array(values, np.float32).reshape(-1, 3)


def test_photos_that_say_little_weigh_little():
    """An empty photo beside a clear one leaves the verdict as it is."""
    best, probability = product_verdict(rows([0.05, 0.9, 0.05], [0.34, 0.32, 0.34]))
    assert best == 1
    assert probability == pytest.approx(0.61)


def test_one_photo_that_is_surely_wrong_does_not_veto():
    """Two clear photos stand against it, though it gives their category next to nothing."""
    assert product_verdict(rows([0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [1e-7, 1 - 2e-7, 1e-7]))[0] == 0


def test_products_are_counted_by_photo_by_number_and_by_level():
    """A verdict in the same branch is right on the upper level."""
    score = ProductScore(("1", "2", "3"), TREE)
    score.add("1", 0, rows([0.9, 0.1, 0.0]))
    score.add("1", 1, rows([0.2, 0.8, 0.0], [0.6, 0.4, 0.0]))  # a table for a bed
    score.add("3", 0, rows(*[[0.9, 0.1, 0.0]] * 5))
    score.add("3", None, rows())
    assert score.document() == {
        "accuracy": 1 / 4,
        "accuracy_by_photo": 2 / 8,
        "by_photos": {
            "0": {"products": 1, "accuracy": 0.0},
            "1": {"products": 1, "accuracy": 1.0},
            "2": {"products": 1, "accuracy": 0.0},
            "4": {"products": 1, "accuracy": 0.0},
        },
        "by_level": [2 / 4, 1 / 4],
    }


def test_a_category_that_the_model_does_not_know_is_wrong():
    """It has no levels to be right on, either."""
    score = ProductScore(("1", "2", "3"), {})
    score.add("9", 0, rows([1.0, 0.0, 0.0]))
    assert score.document()["accuracy"] == 0.0
    assert score.document()["by_level"] == []


def test_without_products_there_are_no_figures():
    """As with the competition's test.bson."""
    assert ProductScore(("1",), {}).document() == {}
