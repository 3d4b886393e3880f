"""Optimizers: those of the built-in algorithm, and what they remember as plain arrays."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from training.cluster import Cluster
from training.hyperparameters import Hyperparameters
from training.optimizers import make_trainer, memory, restore_memory


def trained(steps, optimizer, restored=None, **settings):
    """A dense layer after so many steps from ones; (its weights, its trainer)."""
    layer = nn.Dense(1, in_units=3, use_bias=False, weight_initializer="ones")
    layer.initialize()
    trainer = make_trainer(layer, Hyperparameters(optimizer=optimizer, **settings), Cluster())
    trainer.set_learning_rate(0.1)
    if restored:
        layer.weight.set_data(mx.nd.array(restored[0]))
        restore_memory(trainer, *restored[1])
    for _ in range(steps):
        with autograd.record():
            loss = (layer(mx.nd.array([[1.0, 2, 3]])) ** 2).sum()
        loss.backward()
        trainer.step(1)
    return layer.weight.data().asnumpy(), trainer


def test_nag_is_mxnets():
    """Its formula, to float32's precision; without decay, which it adds in another place."""
    _, trainer = trained(0, "nag", weight_decay=0.0)
    weight, grad = mx.nd.array([1.0, -2.0]), mx.nd.array([0.5, 0.25])
    weights = [weight.copy(), weight.copy()]
    theirs = mx.optimizer.create("nag", momentum=0.9, learning_rate=0.1)
    for optimizer, own in zip((trainer.optimizer, theirs), weights, strict=True):
        state = optimizer.create_state(0, own)
        for _ in range(5):
            optimizer.update(0, own, grad, state)
    np.testing.assert_allclose(weights[0].asnumpy(), weights[1].asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "nag"])
def test_what_is_remembered_makes_the_next_step_the_same(optimizer):
    """Five steps are two, and three more from plain arrays."""
    expected, _ = trained(5, optimizer)
    weights, trainer = trained(2, optimizer)
    arrays, counts = memory(trainer)
    assert all(type(array) is np.ndarray for array in arrays.values())
    found, _ = trained(3, optimizer, restored=(weights, (arrays, counts)))
    np.testing.assert_array_equal(found, expected)


def test_an_unknown_part_of_memory_is_refused():
    """It would be passed over."""
    _, trainer = trained(0, "sgd")
    with pytest.raises(ValueError, match="no part of an optimizer's memory"):
        restore_memory(trainer, {"weights/0": np.ones(1)}, {"counts": {}, "steps": 0})
