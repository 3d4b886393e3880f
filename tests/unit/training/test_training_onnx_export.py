"""The ONNX model is the symbol, for any number of photos, and readable by released runtimes."""

import mxnet as mx
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

from training.networks import as_symbol, build, initialise, parameters
from training.onnx_export import export_onnx


def photos(count):
    """Noise, normalised, each photo brighter than the one before."""
    noise = np.random.default_rng(0).normal(size=(count, 3, 28, 28))
    return mx.nd.array(noise + np.linspace(-3, 3, count).reshape(count, 1, 1, 1))


@pytest.fixture(scope="module")
def exported():
    """(network, ONNX bytes) of a ResNet-20 whose batch norms have seen something."""
    mx.random.seed(3)
    network = build("resnet20", 3, shape=(3, 28, 28))
    initialise(network, (3, 28, 28))
    with mx.autograd.record():
        network(mx.nd.random.normal(2, 3, shape=(8, 3, 28, 28)))
    for name, each in network.collect_params(".*(gamma|beta)").items():
        each.set_data(mx.nd.random.uniform(0.5, 1.5, shape=each.shape, ctx=mx.cpu()))
        assert name
    # each class is the best of some photos
    network.head[-1].bias.set_data(-network(photos(16)).mean(axis=0))
    return network, export_onnx(as_symbol(network), parameters(network), (3, 28, 28))


@pytest.mark.parametrize("photos", [1, 3])
def test_onnx_runtime_computes_the_networks_probabilities(exported, photos):
    """Any number of photos, to within a float's rounding through 20 layers."""
    network, model = exported
    data = np.random.default_rng(0).normal(size=(photos, 3, 28, 28)).astype(np.float32)
    (found,) = ort.InferenceSession(model).run(["probabilities"], {"data": data})
    expected = network(mx.nd.array(data)).softmax().asnumpy()
    assert np.ptp(expected, axis=1).min() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_temperature_calibrates_the_probabilities_alone(exported):
    """The logits stay the network's own."""
    network, _ = exported
    model = export_onnx(as_symbol(network), parameters(network), (3, 28, 28), temperature=2.5)
    data = np.random.default_rng(0).normal(size=(2, 3, 28, 28)).astype(np.float32)
    found, logits = ort.InferenceSession(model).run(["probabilities", "logits"], {"data": data})
    expected = network(mx.nd.array(data))
    np.testing.assert_allclose(logits, expected.asnumpy(), atol=1e-4)
    np.testing.assert_allclose(found, (expected / 2.5).softmax().asnumpy(), atol=1e-4)


def test_several_labels_are_answered_each_by_itself(exported):
    """A sigmoid: the probabilities of a photo need not add up to 1."""
    network, _ = exported
    model = export_onnx(as_symbol(network), parameters(network), (3, 28, 28), multi_label=True)
    data = np.random.default_rng(0).normal(size=(2, 3, 28, 28)).astype(np.float32)
    (found,) = ort.InferenceSession(model).run(["probabilities"], {"data": data})
    np.testing.assert_allclose(found, network(mx.nd.array(data)).sigmoid().asnumpy(), atol=1e-4)


def test_the_embedding_is_what_the_logits_are_made_of(exported):
    """The last dense layer, applied to it by hand, gives them."""
    network, model = exported
    data = np.random.default_rng(0).normal(size=(3, 3, 28, 28)).astype(np.float32)
    found, logits = ort.InferenceSession(model).run(["embedding", "logits"], {"data": data})
    weights, bias = (each.data().asnumpy() for each in network.head[-1].collect_params().values())
    assert np.ptp(found) > 0.1
    np.testing.assert_allclose(found @ weights.T + bias, logits, atol=1e-5)


def test_the_activation_map_adds_up_to_the_best_classes_logit(exported):
    """Its mean over all places, and the bias: each photo's by its own class."""
    network, model = exported
    maps, logits = ort.InferenceSession(model).run(
        ["activation_map", "logits"], {"data": photos(16).asnumpy()}
    )
    bias = network.head[-1].bias.data().asnumpy()
    best = logits.argmax(axis=1)
    assert len(set(best)) > 1
    assert np.ptp(maps, axis=(1, 2)).min() > 0.01
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias[best], logits.max(axis=1), atol=1e-4)


def test_a_network_without_pooling_has_no_activation_map():
    """A dense layer for every place: there is an embedding, and places no longer add up."""
    network = build("refund_cnn", 3, shape=(1, 28, 28))
    initialise(network, (1, 28, 28))
    model = onnx.load_from_string(export_onnx(as_symbol(network), parameters(network), (3, 28, 28)))
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    assert shapes == {
        "probabilities": ["N", 3],
        "logits": ["N", 3],
        "embedding": ["N", 128],
    }


def test_the_model_takes_the_photo_alone(exported):
    """One input, four outputs, by their contract's names and shapes; weights are inside."""
    model = onnx.load_from_string(exported[1])
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "data": ["N", 3, 28, 28],
        "probabilities": ["N", 3],
        "logits": ["N", 3],
        "embedding": ["N", 64],
        "activation_map": ["N", "map_height", "map_width"],
    }
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read


def test_the_model_states_versions_that_runtimes_read(exported):
    """ONNX IR 8 and operator set 13."""
    model = onnx.load_from_string(exported[1])
    assert model.ir_version == 8
    assert [opset.version for opset in model.opset_import] == [13]


def test_what_was_patched_for_the_export_is_put_back(exported):
    """Onnx has no mapping module again and states its newest operator set; MXNet's own are back."""
    assert exported
    assert not hasattr(onnx, "mapping")
    assert MXNetGraph.registry_[12]["null"].__module__.startswith("mxnet.")
    assert onnx.defs.onnx_opset_version() > 13
