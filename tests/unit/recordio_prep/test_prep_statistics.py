"""Statistics: exact, by channel, and safe to divide by."""

import numpy as np
import pytest
from PIL import Image

from recordio_prep.statistics import Moments


def test_mean_and_std_agree_with_numpy():
    """Over pictures of different sizes every pixel counts once."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (n, 7, 3)).astype(np.uint8) for n in (3, 11)]
    moments = [Moments.of(Image.fromarray(picture)) for picture in pictures]
    mean, std = Moments(
        sum(one.pixels for one in moments),
        tuple(map(sum, zip(*(one.sums for one in moments), strict=True))),
        tuple(map(sum, zip(*(one.squares for one in moments), strict=True))),
    ).mean_and_std()
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures]).astype(np.float64)
    assert mean == pytest.approx(pixels.mean(axis=0), abs=1e-4)
    assert std == pytest.approx(pixels.std(axis=0), abs=1e-4)


def test_channels_are_red_green_blue():
    """Not OpenCV's order."""
    mean, _ = Moments.of(Image.new("RGB", (2, 2), (1, 2, 3))).mean_and_std()
    assert mean == (1.0, 2.0, 3.0)


def test_photos_of_one_colour_can_be_divided_by_their_std():
    """A deviation of zero would make every input infinite."""
    _, std = Moments.of(Image.new("RGB", (2, 2), "white")).mean_and_std()
    assert std == (1.0, 1.0, 1.0)


def test_detail_is_the_largest_deviation_of_a_channel():
    """None for a single colour, 127.5 at most."""
    picture = np.zeros((4, 4, 3), np.uint8)
    assert Moments.of(Image.fromarray(picture)).detail == 0
    picture[:2, :, 2] = 255
    assert Moments.of(Image.fromarray(picture)).detail == 127.5
