"""The best epoch, and early stopping as the built-in algorithm does it."""

import pytest

from training.history import Epoch, best_of, stops_early
from training.hyperparameters import Hyperparameters


def epochs(*accuracies, size=112, losses=()):
    """Epochs of these validation accuracies and losses."""
    return [
        Epoch(n, size, 0.1, 0.5, 1.0, a, losses[n] if losses else None, 10.0, 1.0)
        for n, a in enumerate(accuracies)
    ]


def test_the_earliest_of_the_best_wins():
    """A later one that is only as good was trained on for nothing."""
    assert best_of(epochs(0.5, 0.7, 0.7, 0.6), 112).number == 1


def test_of_equals_the_surer_wins():
    """A small validation split has many of the same accuracy, and its loss tells more."""
    assert best_of(epochs(0.5, 0.7, 0.7, 0.7, losses=(0.1, 0.5, 0.3, 0.3)), 112).number == 2


def test_without_validation_the_last_wins():
    """Nothing tells which was better."""
    assert best_of(epochs(None, None), 112).number == 1


def test_only_epochs_at_full_size_compete():
    """The endpoint's photos have that size."""
    history = [*epochs(0.9, size=56), *epochs(0.1)]
    assert best_of(history, 112).size == 112
    assert best_of(epochs(0.9, size=56), 112) is None


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [
        ((0.5, 0.6, 0.6), False),  # one epoch of patience is left
        ((0.6, 0.6, 0.6), True),
        ((0.6, 0.5, 0.5), True),
        ((0.5, 0.5, 0.7), False),
        ((0.6, 0.605, 0.605), True),  # under 1 % better is no better
        ((0.6, 0.5), False),  # too early
    ],
)
def test_training_stops_after_patience_without_improvement(accuracies, stops):
    """A relative one, above the tolerance."""
    settings = Hyperparameters(
        image_shape=(3, 112, 112),
        early_stopping=True,
        early_stopping_min_epochs=3,
        early_stopping_patience=2,
        early_stopping_tolerance=0.01,
    )
    assert stops_early(settings, epochs(*accuracies)) is stops
    assert not stops_early(Hyperparameters(), epochs(*accuracies))
