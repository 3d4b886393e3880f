"""Two models on the same photos: figures, and whether they may be luck."""

import numpy as np
import pytest

from evaluation.comparison import compare


def right(*counts):
    """Whether each model is right, photo by photo: both, only the first, only the second, none."""
    both, first, second, none = counts
    one = [True] * both + [True] * first + [False] * second + [False] * none
    other = [True] * both + [False] * first + [True] * second + [False] * none
    return np.array(one), np.array(other)


def test_the_table_of_a_textbook():
    """Agresti and Min's example: 1,144 pairs of which 794, 150, 86 and 570 fall into the cells."""
    found = compare(*right(794, 150, 86, 570))
    assert found.photos == 1600
    assert (found.first, found.second) == (944 / 1600, 880 / 1600)
    assert found.difference == pytest.approx(-0.04)
    assert found.interval == pytest.approx((-0.0587, -0.0212), abs=2e-4)
    assert found.p_value == pytest.approx(3.7e-5, rel=0.05)
    assert found.is_shown


def test_models_that_differ_on_no_photo_are_equal():
    """Nothing is shown, and the interval is not empty: fewer photos show less."""
    found = compare(*right(9, 0, 0, 1))
    assert (found.difference, found.p_value, found.is_shown) == (0.0, 1.0, False)
    low, high = found.interval
    assert -0.3 < low < 0 < high < 0.3
    assert low == -high


def test_five_of_five_is_not_yet_a_difference_and_six_of_six_is():
    """McNemar's exact test: 2 x 0.5^n."""
    assert compare(*right(10, 0, 5, 0)).p_value == pytest.approx(0.0625)
    assert not compare(*right(10, 0, 5, 0)).is_shown
    assert compare(*right(10, 0, 6, 0)).p_value == pytest.approx(0.03125)
    assert compare(*right(10, 0, 6, 0)).is_shown


def test_one_photo_gives_an_interval_within_its_bounds():
    """-1 to 1, however little is known."""
    low, high = compare(*right(0, 0, 1, 0)).interval
    assert -1 <= low < high <= 1
