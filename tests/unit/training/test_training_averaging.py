"""The average of the weights: where it goes, how it is put in, and that nothing else moves."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from training.averaging import WeightAverage


@pytest.fixture
def network():
    """A batch norm of one channel, whose four states are numbers: weights and statistics."""
    layer = nn.BatchNorm(in_channels=1, prefix="norm_")
    layer.initialize()
    return layer


def put(network, value):
    for parameter in network.collect_params().values():
        parameter.set_data(mx.nd.full((1,), value))


def values(network):
    return {name: float(each.data().asscalar()) for name, each in network.collect_params().items()}


def followed(network, share, numbers):
    """An average that has seen the network at each of these numbers."""
    average = WeightAverage(network, share)
    for steps, number in enumerate(numbers, 1):
        put(network, number)
        average.follow(steps)
    return average


def test_the_average_begins_at_the_first_weights_and_follows_by_a_rising_share(network):
    """Of the former average (1 + n) / (10 + n) is left, but never more than its share."""
    found = followed(network, 0.3, [1.0, 3.0, 7.0]).arrays()
    second = 1.0 * 3 / 12 + 3.0 * 9 / 12
    assert {name: float(each[0]) for name, each in found.items()} == pytest.approx(
        dict.fromkeys(values(network), second * 0.3 + 7.0 * 0.7)
    )


def test_the_average_is_the_networks_own_only_while_it_is_asked(network):
    """Statistics of batch norms too; what it has learnt is back behind it, after a fault as well."""
    average = followed(network, 0.5, [1.0, 3.0])
    with average.in_place():
        inside = values(network)
    assert inside == pytest.approx(dict.fromkeys(inside, 2.5))
    assert set(values(network).values()) == {3.0}
    with pytest.raises(ZeroDivisionError), average.in_place():
        _ = 1 / 0
    assert set(values(network).values()) == {3.0}


def test_what_is_held_stays_to_the_bit(network):
    """A number that floats do not hold exactly, a hundred times."""
    found = followed(network, 0.9, [0.1] * 100).arrays()
    assert {float(each[0]) for each in found.values()} == {float(np.float32(0.1))}


def test_a_restored_average_goes_on_as_if_never_broken_off(network):
    """From its arrays and the number of steps alone."""
    whole = followed(network, 0.9, [1.0, 2.0, 4.0]).arrays()
    first = followed(network, 0.9, [1.0, 2.0])
    second = WeightAverage(network, 0.9)
    second.restore(first.arrays())
    put(network, 4.0)
    second.follow(3)
    np.testing.assert_equal(second.arrays(), whole)


def test_without_a_share_there_is_no_average(network):
    """The weights are the model's, and a checkpoint holds no more than them."""
    average = followed(network, 0.0, [1.0, 3.0])
    assert average.arrays() == {}
    with average.in_place():
        assert set(values(network).values()) == {3.0}
