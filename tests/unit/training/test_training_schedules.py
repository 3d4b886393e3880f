"""The learning rate decays as the marketplace's did."""

import math

import pytest

from training.hyperparameters import Hyperparameters
from training.schedules import learning_rate


@pytest.mark.parametrize("epoch", [0, 1, 2.5, 29])
def test_exponential_is_the_default(epoch):
    """`learning_rate * exp(-0.05 * epoch)`."""
    settings = Hyperparameters.parse({"learning_rate": "0.2"})
    assert learning_rate(settings, epoch) == pytest.approx(0.2 * math.exp(-0.05 * epoch))


def test_the_decay_can_be_set():
    """A decay of 0.5 leaves 1/e after two epochs."""
    settings = Hyperparameters.parse({"learning_rate": "1", "lr_decay": "0.5"})
    assert learning_rate(settings, 2) == pytest.approx(0.36787944)


def test_constant_stays():
    """The rate of the first epoch is that of the last."""
    settings = Hyperparameters.parse({"learning_rate": "0.2", "lr_schedule": "constant"})
    assert [learning_rate(settings, epoch) for epoch in (0, 29)] == [0.2, 0.2]
