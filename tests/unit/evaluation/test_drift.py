"""Whether photos that come in are still like those of before."""

import numpy as np
import pytest

from evaluation.drift import category_shift, measure_drift


def normal(count, mean=0.0, seed=0):
    """Values about a mean."""
    return np.random.default_rng(seed).normal(mean, 1.0, count)


def test_photos_of_the_same_kind_do_not_drift():
    """Two hundred samples of the same: about one in a hundred is taken for drift, no more."""
    found = [
        measure_drift({"a": normal(400, seed=n)}, {"a": normal(400, seed=1000 + n)})[0]
        for n in range(200)
    ]
    assert sum(shift.size != "none" for shift in found) <= 6


def test_few_photos_do_not_make_a_drift_of_chance():
    """Thirty against thirty have a large index by chance alone."""
    found = [
        measure_drift({"a": normal(30, seed=n)}, {"a": normal(30, seed=1000 + n)})[0]
        for n in range(100)
    ]
    assert sum(shift.index >= 0.25 for shift in found) > 20
    assert sum(shift.size != "none" for shift in found) <= 5


def test_what_moved_most_comes_first_with_its_means():
    """By half a deviation: moderate; by one and a half: large."""
    before = {name: normal(2000, seed=seed) for seed, name in enumerate("abc")}
    after = {"a": normal(2000, 0, 7), "b": normal(2000, 1.5, 8), "c": normal(2000, 0.4, 9)}
    shifts = measure_drift(before, after)
    assert [(shift.name, shift.size) for shift in shifts] == [
        ("b", "large"),
        ("c", "moderate"),
        ("a", "none"),
    ]
    assert shifts[0].before == pytest.approx(0, abs=0.1)
    assert shifts[0].after == pytest.approx(1.5, abs=0.1)


def test_the_index_of_a_textbook():
    """Shares of 50, 30, 20 % become 40, 30, 30 %: (-0.1) ln 0.8 + 0.1 ln 1.5 = 0.0629."""
    before = np.repeat([0, 1, 2], [50_000, 30_000, 20_000])
    after = np.repeat([0, 1, 2], [40_000, 30_000, 30_000])
    shift = category_shift(before, after, 3)
    assert shift.index == pytest.approx(0.0629, abs=1e-4)
    assert shift.p_value < 1e-6
    assert shift.size == "none"  # sure, and too small to matter


def test_a_category_that_was_never_named_before_counts():
    """And one that neither side has does not."""
    shift = category_shift(np.zeros(100, int), np.repeat([0, 3], [50, 50]), 10)
    assert shift.size == "large"
    assert category_shift(np.zeros(100, int), np.zeros(100, int), 10).index == 0


def test_values_that_are_all_the_same_fill_one_bin():
    """As confidences of a model that is always sure: nothing to divide by, no drift."""
    same = np.ones(100)
    (shift,) = measure_drift({"confidence": same}, {"confidence": same})
    assert (shift.index, shift.size) == (0.0, "none")
    (moved,) = measure_drift({"confidence": same}, {"confidence": np.full(100, 0.5)})
    assert moved.size == "large"
