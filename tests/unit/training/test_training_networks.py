"""The networks are the published ones, and start as their papers say."""

import math

import mxnet as mx
import numpy as np
import pytest

from training.networks import as_symbol, build, initialise, parameters


@pytest.mark.parametrize(
    ("layers", "published"), [(18, 11_699_112), (34, 21_814_696), (50, 25_629_032)]
)
def test_a_network_has_the_published_number_of_parameters(layers, published):
    """Gluon's model zoo table (ResNet v1), which counts the batch norms' running statistics too."""
    network = build(layers, 1000)
    network.initialize()
    network(mx.nd.zeros((1, 3, 32, 32)))
    assert sum(math.prod(values.shape) for values in parameters(network).values()) == published


def test_any_picture_size_gives_one_logit_a_class():
    """Global pooling: 28, 29 and 64 pixels, one network."""
    network = build(18, 5)
    initialise(network, (3, 28, 28))
    shapes = [network(mx.nd.zeros((2, 3, size, size))).shape for size in (28, 29, 64)]
    assert shapes == [(2, 5)] * 3


def test_pooling_before_the_stem_is_the_network_on_averaged_pixels():
    """The same weights: 56 pixels pooled by 2 give what the 28 pixels of their means give."""
    plain, pooled = build(18, 3), build(18, 3, stem_pooling=2)
    initialise(plain, (3, 28, 28))
    initialise(pooled, (3, 56, 56))
    values = parameters(plain)
    for name, each in pooled.collect_params().items():
        each.set_data(values[name])
    data = mx.nd.random.normal(shape=(2, 3, 56, 56))
    means = data.reshape((2, 3, 28, 2, 28, 2)).mean(axis=(3, 5))
    np.testing.assert_allclose(pooled(data).asnumpy(), plain(means).asnumpy(), atol=1e-4)


def test_biases_and_batch_norms_do_not_decay():
    """Weight decay is for convolutions and the output layer's weights alone."""
    network = build(18, 2)
    initialise(network, (3, 28, 28))
    decays = {name: each.wd_mult for name, each in network.collect_params().items()}
    assert {name.rpartition("_")[2] for name, decay in decays.items() if decay == 1} >= {"weight"}
    assert {name.rpartition("_")[2] for name, decay in decays.items() if decay == 0} == {
        "gamma",
        "beta",
        "bias",
    }


def test_the_symbol_computes_what_the_network_does():
    """The drawn symbol, with the network's parameters, gives its logits."""
    network = build(18, 4)
    initialise(network, (3, 28, 28))
    data = mx.nd.random.normal(shape=(2, 3, 28, 28))
    symbol = as_symbol(network)
    values = parameters(network)
    states = {name: values.pop(name) for name in symbol.list_auxiliary_states()}
    executor = symbol.bind(mx.cpu(), values | {"data": data}, aux_states=states)
    (found,) = executor.forward(is_train=False)
    np.testing.assert_allclose(found.asnumpy(), network(data).asnumpy(), atol=1e-5)
