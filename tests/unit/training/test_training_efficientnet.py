"""EfficientNets are the published ones, in size and in arithmetic."""

import math

import mxnet as mx
import numpy as np
import onnxruntime as ort
import pytest

from contracts import TrainingError
from training.networks import as_symbol, initialise, parameters
from training.networks.efficientnet import Turn, efficientnet, feature_maps, set_form
from training.networks.efficientnet_scaling import VARIANTS, scaled_blocks, scaled_channels
from training.onnx_export import export_onnx

PUBLISHED = {
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
    "efficientnet-b0": 5_288_548,
    "efficientnet-b1": 7_794_184,
    "efficientnet-b2": 9_109_994,
    "efficientnet-b3": 12_233_232,
    "efficientnet-b4": 19_341_616,
    "efficientnet-b5": 30_389_784,
    "efficientnet-b6": 43_040_704,
    "efficientnet-b7": 66_347_960,
}


def awake(network):
    """The network, its batch norms no longer at their neutral start, drawn the same each time."""
    rng = np.random.default_rng(5)
    for name, each in network.collect_params().items():
        if name.endswith(("gamma", "running_var")):
            each.set_data(mx.nd.array(rng.uniform(0.8, 1.2, each.shape)))
        elif name.endswith(("beta", "running_mean")):
            each.set_data(mx.nd.array(rng.normal(0, 0.1, each.shape)))
    return network


@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_has_the_published_number_of_parameters(name):
    """Trainable ones with 1,000 classes, as torchvision, lukemelas and timm count them."""
    network = efficientnet(name, 1000)
    shapes = [p.shape for p in network.collect_params().values() if p.grad_req != "null"]
    assert sum(math.prod(shape) for shape in shapes) == PUBLISHED[name]


def test_channels_are_rounded_as_in_the_reference():
    """To multiples of 8, at least 8, never below nine tenths of what was asked for."""
    assert [scaled_channels(n, 1.0) for n in (1, 11, 12, 32)] == [8, 16, 16, 32]
    assert [scaled_channels(n, 1.1) for n in (16, 24, 40)] == [16, 24, 48]


def test_blocks_follow_one_another():
    """A block takes the channels that the one before gives; only a stage's first halves."""
    blocks = scaled_blocks(VARIANTS["efficientnet-b4"])
    assert len(blocks) == 32
    assert [block.channels for _, block in blocks[:-1]] == [inputs for inputs, _ in blocks[1:]]
    assert sum(block.stride == 2 for _, block in blocks) == 4


def test_lite_leaves_stem_head_and_the_outer_stages_unscaled():
    """Lite4 keeps 32 and 1,280 channels, and one block in its first and last stage."""
    network = efficientnet("efficientnet-lite4", 3)
    stem, head = network.features[1], network.features[-2]
    assert (stem.conv.weight.shape[0], head.conv.weight.shape[0]) == (32, 1280)
    assert [each.channels for _, each in scaled_blocks(VARIANTS["efficientnet-lite4"])][:2] == [
        24,
        32,
    ]


@pytest.mark.parametrize("padding", ["same", "symmetric"])
def test_any_picture_size_gives_one_logit_a_class(padding):
    """Global pooling: 32, 50 and 64 pixels, one network."""
    network = efficientnet("efficientnet-lite0", 4, padding=padding)
    initialise(network, (3, 32, 32))
    shapes = [network(mx.nd.zeros((2, 3, size, size))).shape for size in (32, 50, 64)]
    assert shapes == [(2, 4)] * 3


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [8, 9])
def test_same_padding_is_tensorflows(size, kernel):
    """At stride 2: of k - 2 rows for an even side half, rounded down, above; of k - 1 for odd."""
    total = kernel - 2 + size % 2
    before, after = total // 2, total - total // 2
    data = mx.nd.random.normal(shape=(1, 3, size, size))
    weight = mx.nd.random.normal(shape=(2, 3, kernel, kernel))
    options = {"kernel": (kernel, kernel), "stride": (2, 2), "num_filter": 2, "no_bias": True}
    padded = np.pad(data.asnumpy(), [(0, 0), (0, 0), (before, after), (before, after)])
    expected = mx.nd.Convolution(mx.nd.array(padded), weight, **options)
    turn, turned = Turn(), mx.nd.array(weight.asnumpy()[:, :, ::-1, ::-1])
    turn.active = True
    pad = (kernel // 2, kernel // 2)
    found = turn(mx.nd.Convolution(turn(data), turned, pad=pad, **options))
    assert found.shape[-1] == math.ceil(size / 2)
    np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), atol=1e-4)


def test_feature_maps_stand_as_the_picture_does():
    """What is bright above and left in the picture is so in the maps, with either padding."""
    for padding in ("same", "symmetric"):
        mx.random.seed(5)
        maps = feature_maps("efficientnet-lite0", padding=padding)
        maps.initialize()
        data = mx.nd.zeros((1, 3, 256, 256))
        dark = maps(data)
        data[:, :, :32, :32] = 100
        change = (maps(data) - dark).abs().sum(axis=1).asnumpy()[0]
        assert change[:4, :4].sum() > 5 * change[4:, 4:].sum()


def test_the_form_of_a_network_can_be_set_afterwards():
    """The same weights, symmetric, with PyTorch's epsilon: the answers change, and change back."""
    network = efficientnet("efficientnet-lite0", 4)
    initialise(network, (3, 48, 48))
    awake(network)
    data = mx.nd.random.normal(shape=(1, 3, 48, 48))
    network.hybridize(active=False)
    first = network(data).asnumpy()
    for form in ({"padding": "symmetric", "epsilon": 1e-3}, {"padding": "same", "epsilon": 1e-1}):
        set_form(network, **form)
        assert np.abs(network(data).asnumpy() - first).max() > 1e-3
    set_form(network, padding="same", epsilon=1e-3)
    np.testing.assert_array_equal(network(data).asnumpy(), first)


@pytest.mark.parametrize(
    ("name", "padding"), [("efficientnet-lite0", "symmetric"), ("efficientnet-b0", "same")]
)
def test_onnx_runtime_computes_the_networks_probabilities(name, padding):
    """At 40 pixels, where even and odd sides are halved, to within 1e-4."""
    network = efficientnet(name, 5, padding=padding)
    initialise(network, (3, 40, 40))
    awake(network)
    model = export_onnx(as_symbol(network), parameters(network), (3, 40, 40))
    data = np.random.default_rng(0).normal(size=(3, 3, 40, 40)).astype(np.float32)
    (found,) = ort.InferenceSession(model).run(["probabilities"], {"data": data})
    expected = network(mx.nd.array(data)).softmax().asnumpy()
    assert np.ptp(expected, axis=1).min() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_drop_connect_leaves_whole_branches_out_in_training_alone():
    """With a rate the training's answers differ from one another; the endpoint's never do."""
    network = efficientnet("efficientnet-lite0", 3, drop_connect=0.9, dropout=0.5)
    initialise(network, (3, 32, 32))
    data = mx.nd.random.normal(shape=(4, 3, 32, 32))
    assert (network(data) == network(data)).asnumpy().all()
    branches = [block.drop for block in network.features if getattr(block, "drop", None)]
    assert len(branches) == 9
    with mx.autograd.train_mode():
        kept = branches[-1](mx.nd.ones((64, 2, 3, 3))).asnumpy().reshape(64, -1)
    assert (kept == kept[:, :1]).all()
    assert 0 < (kept == 0).mean() < 1


def test_a_network_learns():
    """Gradients reach the stem, and the loss of one batch falls."""
    mx.random.seed(1)
    network = efficientnet("efficientnet-lite0", 2)
    initialise(network, (3, 32, 32))
    data, labels = mx.nd.random.normal(shape=(8, 3, 32, 32)), mx.nd.array([0, 1] * 4)
    trainer = mx.gluon.Trainer(network.collect_params(), "adam", {"learning_rate": 0.0005})
    losses = []
    for _ in range(12):
        with mx.autograd.record():
            loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()(network(data), labels)
        loss.backward()
        trainer.step(8)
        losses.append(loss.mean().asscalar())
    assert network.features[1].conv.weight.grad().abs().sum().asscalar() > 0
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "efficientnet-b9"}, "efficientnet-b9.*expected one of efficientnet-lite0"),
        ({"padding": "valid"}, "'valid': expected same or symmetric"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"drop_connect": -0.1}, "drop_connect=-0.1"),
    ],
)
def test_what_is_not_offered_is_refused(options, said):
    """The message names the value, then what was expected."""
    with pytest.raises(TrainingError, match=said):
        efficientnet(**({"name": "efficientnet-b0", "num_classes": 2} | options))
