"""Networks learn from a batch, and ONNX Runtime computes what they have become.

One of each kind: its deeper and wider siblings are made of the same layers, as a unit test holds.
"""

import mxnet as mx
import numpy as np
import onnxruntime as ort
import pytest
from mxnet import autograd, gluon
from network_kinds import KINDS, smallest_maps

from training.networks import NETWORKS, as_symbol, build, initialise, parameters
from training.onnx_export import export_onnx

CLASSES = 3
OTHER_HEADS = [
    ("resnet18", "conv", {"stem_pooling": 2, "dropout": 0.2}),
    ("resnet20", "flatten", {}),
    ("contest_cnn", "pool", {}),
]


def train_a_step(network, data, labels):
    """One step of plain SGD; the losses (N,) before it."""
    trainer = gluon.Trainer(network.collect_params(), "sgd", {"learning_rate": 1e-4})
    with autograd.record():
        losses = gluon.loss.SoftmaxCrossEntropyLoss()(network(data), labels)
    losses.backward()
    trainer.step(len(labels))
    return losses.asnumpy()


def centre(network, data):
    """Shift and scale the last layer, so that probabilities of these photos differ visibly.

    After one step running statistics are still far from the maps', and the deeper a network, the
    larger its logits: every probability would be 0 or 1, and prove nothing.
    """
    weight, bias = list(network.head.collect_params().values())[-2:]
    logits = network(data)
    mean, spread = logits.mean(axis=0), (logits - logits.mean(axis=0)).abs().max()
    weight.set_data(weight.data() / spread)
    bias.set_data((bias.data() - mean) / spread)


def check(name, shape, settings):
    """Train `name` by a step on random photos, then compare its two forms."""
    mx.random.seed(3)
    network = build(name, CLASSES, shape=shape, **settings)
    initialise(network, shape)
    (first, *_) = network.collect_params(".*conv0_weight").values()
    drawn = first.data().copy()
    data = mx.nd.random.normal(shape=(4, 3, *shape[1:]))
    losses = train_a_step(network, data, mx.nd.array([0, 1, 2, 1]))
    assert np.isfinite(losses).all()
    assert all(np.isfinite(value.asnumpy()).all() for value in parameters(network).values())
    assert (first.data() != drawn).sum() > 0

    centre(network, data)
    model = export_onnx(as_symbol(network), parameters(network), (3, *shape[1:]))
    photos = data[:3].asnumpy()
    session = ort.InferenceSession(model)
    (found,) = session.run(["probabilities"], {"data": photos})
    expected = network(mx.nd.array(photos)).softmax().asnumpy()
    assert expected.std(axis=0).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)
    check_features(session, network, photos)


def check_features(session, network, photos):
    """Every network tells its embedding; one that pools last, what its maps add to the logit."""
    names = {output.name for output in session.get_outputs()}
    assert "embedding" in names
    assert ("activation_map" in names) == network.any_size
    if network.any_size:
        maps, logits = session.run(["activation_map", "logits"], {"data": photos})
        bias = list(network.head.collect_params().values())[-1].data().asnumpy()
        found = maps.mean(axis=(1, 2)) + bias[logits.argmax(axis=1)]
        np.testing.assert_allclose(found, logits.max(axis=1), atol=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_a_network_learns_and_is_exported(name):
    """A step changes its first layer and leaves numbers; within 1e-4 in ONNX Runtime."""
    size = smallest_maps(name)
    check(name, (3, size, size), {})


@pytest.mark.parametrize(("name", "head", "settings"), OTHER_HEADS)
def test_a_grey_network_with_another_head_learns_and_is_exported(name, head, settings):
    """Grey photos, pooling before the stem, dropout and dense layers over the whole picture."""
    size = NETWORKS[name].smallest * settings.get("stem_pooling", 1)
    check(name, (1, size, size), {"head": head, **settings})
