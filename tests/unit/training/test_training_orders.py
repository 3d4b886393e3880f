"""Which photos an epoch looks at."""

import numpy as np

from training.hyperparameters import Hyperparameters
from training.orders import epoch_order

LABELS = np.repeat([0, 1, 2], [60, 30, 10])


def order(epoch=0, labels=LABELS, **settings):
    """Of an epoch of a job with these settings."""
    return epoch_order(Hyperparameters(**settings), labels, epoch)


def test_every_photo_comes_once_in_another_order_each_epoch():
    """The same for the same seed."""
    assert sorted(order()) == list(range(100))
    assert list(order()) == list(order())
    assert list(order()) != list(order(1))
    assert list(order()) != list(order(seed=1))


def test_an_epoch_of_fewer_photos_draws_anew_each_time():
    """Without repeats within it."""
    assert len(set(order(epoch_photos=40))) == 40
    assert set(order(epoch_photos=40)) != set(order(1, epoch_photos=40))
    assert len(order(epoch_photos=4000)) == 100


def test_balanced_sampling_shows_all_classes_equally_often():
    """Rare photos are repeated, each about as often as the others of its class."""
    chosen = order(sampling="balanced")
    counts = np.bincount(LABELS[chosen])
    assert len(chosen) == 100
    assert set(counts) <= {33, 34}
    assert set(np.bincount(chosen)[90:]) <= {3, 4}


def test_a_class_without_photos_is_no_class():
    """Labels may have gaps."""
    assert len(order(labels=np.array([0, 0, 2]), sampling="balanced")) == 3
