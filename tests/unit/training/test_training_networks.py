"""The networks are the published ones, take the pictures they say, and start as their papers say."""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.model_zoo import vision
from network_kinds import KINDS, layers

from contracts import TrainingError
from training.networks import (
    NETWORKS,
    as_symbol,
    build,
    count_parameters,
    initialise,
    parameters,
    short_name,
)
from training.networks.network import Grey
from training.networks.resnet import IdentityBlock

DENSE_1000 = 2048 * 1000 + 1000


def feature_shape(network, size):
    """Of the feature maps, (F, h, w), for photos of this size; nothing is computed."""
    _, ((_, *shape),), _ = network.features(mx.sym.var("data")).infer_shape(data=(1, 3, size, size))
    return tuple(shape)


@pytest.mark.parametrize(
    ("layers", "published"),
    [(18, 11_699_112), (34, 21_814_696), (50, 25_629_032), (101, 44_695_144), (152, 60_404_072)],
)
def test_a_zoo_resnet_has_the_published_number_of_parameters(layers, published):
    """Gluon's model zoo table (ResNet v1), which counts the batch norms' running statistics too."""
    assert count_parameters(build(layers, 1000))[1] == published


@pytest.mark.parametrize("layers", [18, 34, 50, 101, 152])
def test_a_zoo_resnet_has_the_zoos_names(layers):
    """Weights that were stored by name before there were other networks go on being found."""
    zoo = vision.get_resnet(1, layers, classes=7, prefix=f"resnet{layers}_")
    assert list(build("resnet", 7, num_layers=layers).collect_params()) == list(
        zoo.collect_params()
    )


def test_resnet200_has_the_published_number_of_parameters():
    """64,673,832 (timm's resnet200, whose convolutions have no bias, as the zoo's have)."""
    network = build("resnet200", 1000)
    trainable, _ = count_parameters(network)
    biases = network.collect_params(".*_conv.*_bias").values()
    assert trainable - sum(math.prod(bias.shape) for bias in biases) == 64_673_832


@pytest.mark.parametrize(
    ("layers", "published", "exactly"),
    [
        (20, 0.27, 269_722),
        (32, 0.46, 464_154),
        (44, 0.66, 658_586),
        (56, 0.85, 853_018),
        (110, 1.7, 1_727_962),
    ],
)
def test_a_small_resnet_has_the_published_number_of_parameters(layers, published, exactly):
    """He et al. 2015, table 6, in millions; to the digit by 10 classes and shortcuts of option A."""
    trainable, _ = count_parameters(build("resnet", 10, shape=(3, 32, 32), num_layers=layers))
    assert trainable == exactly
    assert float(f"{trainable / 1e6:.2g}") == published


def test_resnet9_has_the_published_number_of_parameters():
    """6,573,120 (Page's own, whose last layer has no bias)."""
    network = build("resnet9", 10, shape=(3, 32, 32))
    assert count_parameters(network)[0] - 10 == 6_573_120


@pytest.mark.parametrize(
    ("name", "expected"), [("resnet9-w32", 1_646_122), ("resnet9-w24", 927_010)]
)
def test_a_narrower_resnet9_has_a_square_of_the_parameters(name, expected):
    """Worked out by hand: 9 (3w + 178w^2) + 70w + 10 (8w + 1), w the first layer's channels."""
    width = int(name.partition("-w")[2])
    assert 9 * (3 * width + 178 * width**2) + 70 * width + 10 * (8 * width + 1) == expected
    assert count_parameters(build(name, 10, shape=(3, 32, 32)))[0] == expected


@pytest.mark.parametrize(
    ("name", "published"),
    [("refund_cnn", 241_546), ("contest_cnn", 590_346), ("contest_cnn_plain", 565_386)],
)
def test_a_fashion_mnist_network_has_the_reported_number_of_parameters(name, published):
    """As their authors printed them, for grey pictures and 10 classes; all of them are trained."""
    assert count_parameters(build(name, 10, shape=(1, 28, 28))) == (published, published)


@pytest.mark.parametrize(
    ("name", "published"), [("inception_v3", 21_802_784), ("xception", 20_861_480)]
)
def test_a_keras_network_has_kerass_number_of_parameters(name, published):
    """Without its top (Keras, `include_top=False`), running statistics included."""
    _, total = count_parameters(build(name, 1000, shape=(3, 299, 299)))
    assert total - DENSE_1000 == published


def test_the_convolution_head_makes_cdiscounts_network():
    """66,039,222 parameters, as reported for Inception V3 at 180 pixels and 5,270 categories."""
    network = build("inception_v3", 5270, shape=(3, 180, 180), head="conv")
    assert count_parameters(network)[1] == 66_039_222


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("inception_v3", 299, (2048, 8, 8)),
        ("inception_v3", 180, (2048, 4, 4)),
        ("inception_v3", 75, (2048, 1, 1)),
        ("xception", 299, (2048, 10, 10)),
        ("xception", 71, (2048, 3, 3)),
        ("resnet200", 224, (2048, 7, 7)),
        ("resnet34", 28, (512, 1, 1)),
        ("resnet20", 28, (64, 7, 7)),
        ("resnet20", 8, (64, 2, 2)),
        ("resnet9", 32, (512, 4, 4)),
        ("resnet9-w24", 28, (192, 4, 4)),
        ("resnet9-w24", 20, (192, 3, 3)),
    ],
)
def test_feature_maps_have_the_published_size(name, size, shape):
    """Channels and sides before the head, at the usual and the smallest size."""
    assert feature_shape(build(name, 2, shape=(3, size, size)), size) == shape


def test_every_parameter_is_named_after_its_network():
    """The short name begins it, and no two share it, with the head that has most of them."""
    for name, family in NETWORKS.items():
        shape = (1, family.smallest, family.smallest)
        network = build(name, 2, shape=shape, head=family.heads[-1])
        names = list(network.collect_params())
        assert all(each.startswith(f"{name}_") for each in names)
        assert sorted(as_symbol(network).list_inputs()) == sorted([*names, "data"])


@pytest.mark.parametrize(("kind", "siblings"), KINDS.items())
def test_siblings_are_made_of_the_same_layers(kind, siblings):
    """So that an export which is right for one is right for all; they differ in depth and width."""
    expected = layers(kind)
    assert all(layers(sibling) == expected for sibling in siblings)


def test_every_network_is_of_a_kind_that_is_trained():
    """A new one is a kind of its own, or a sibling."""
    named = [*KINDS, *(sibling for siblings in KINDS.values() for sibling in siblings)]
    assert sorted(named) == sorted(NETWORKS)


def test_any_picture_size_gives_one_logit_a_class():
    """Global pooling: 8, 9 and 32 pixels, one network."""
    network = build("resnet20", 5, shape=(3, 8, 8))
    initialise(network, (3, 8, 8))
    shapes = [network(mx.nd.zeros((2, 3, size, size))).shape for size in (8, 9, 32)]
    assert shapes == [(2, 5)] * 3
    assert network.any_size


@pytest.mark.parametrize(
    ("name", "head"),
    [("resnet20", "flatten"), ("resnet20", "conv"), ("refund_cnn", "pool")],
)
def test_a_dense_layer_over_the_picture_takes_one_size_alone(name, head):
    """Another size among picture_sizes is refused before anything is trained."""
    network = build(name, 2, shape=(3, 28, 28), head=head)
    network.check_sizes((28, 28))
    assert not network.any_size
    with pytest.raises(TrainingError, match=f"32 pixels.*{name}.*28"):
        network.check_sizes((32, 28))
    with pytest.raises(TrainingError, match="32 pixels"):
        initialise(network, (3, 32, 32))


def test_sizes_outside_the_familys_are_refused_with_pooling_too():
    """Inception V3 needs 75 pixels in every epoch, behind the pooling before its stem."""
    network = build("inception_v3", 2, shape=(3, 150, 150), stem_pooling=2)
    network.check_sizes((150, 299))
    with pytest.raises(TrainingError, match=r"149 pixels, 74 after stem_pooling=2.*75 to"):
        network.check_sizes((149,))


def test_pooling_before_the_stem_is_the_network_on_averaged_pixels():
    """The same weights: 16 pixels pooled by 2 give what the 8 pixels of their means give."""
    plain = build("resnet20", 3, shape=(3, 8, 8))
    pooled = build("resnet20", 3, shape=(3, 16, 16), stem_pooling=2)
    initialise(plain, (3, 8, 8))
    initialise(pooled, (3, 16, 16))
    values = parameters(plain)
    for name, each in pooled.collect_params().items():
        each.set_data(values[name])
    data = mx.nd.random.normal(shape=(2, 3, 16, 16))
    means = data.reshape((2, 3, 8, 2, 8, 2)).mean(axis=(3, 5))
    np.testing.assert_allclose(pooled(data).asnumpy(), plain(means).asnumpy(), atol=1e-4)


def test_grey_is_luma_and_has_no_parameters():
    """ITU-R BT.601 of RGB photos, as a constant of the graph."""
    photos = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    grey = Grey()
    expected = np.einsum("nchw,c->nhw", photos, [0.299, 0.587, 0.114])[:, None]
    np.testing.assert_allclose(grey(mx.nd.array(photos)).asnumpy(), expected, atol=1e-6)
    assert list(grey.collect_params()) == []


def test_a_grey_network_sees_rgb_photos_by_their_luma_alone():
    """Two photos of other colours and the same luma get the same logits."""
    network = build("resnet20", 3, shape=(1, 8, 8))
    initialise(network, (1, 8, 8))
    red = mx.nd.zeros((1, 3, 8, 8))
    red[:, 0] = mx.nd.random.uniform(shape=(8, 8))
    blue = mx.nd.zeros((1, 3, 8, 8))
    blue[:, 2] = red[:, 0] * 0.299 / 0.114
    np.testing.assert_allclose(network(red).asnumpy(), network(blue).asnumpy(), atol=1e-5)
    assert network.collect_params()["resnet20_conv0_weight"].shape[1] == 1


def test_option_a_keeps_every_second_pixel_and_adds_maps_of_zeros():
    """The shortcut of a block whose residual branch is still silent is all that comes out."""
    block = IdentityBlock(4, 2)
    block.initialize()
    photos = mx.nd.random.uniform(shape=(1, 2, 6, 6))
    block(photos)
    block.body[-1].gamma.set_data(mx.nd.zeros(4))
    found = block(photos).asnumpy()
    np.testing.assert_array_equal(found[:, :2], photos.asnumpy()[:, :, ::2, ::2])
    assert not found[:, 2:].any()


@pytest.mark.parametrize(("name", "silent"), [("resnet18", 8), ("resnet50", 16), ("resnet20", 0)])
def test_residual_branches_start_silent_in_resnets_for_large_pictures(name, silent):
    """One scale of zeros a block; none where shortcuts end in maps of zeros."""
    network = build(name, 2, shape=(3, 28, 28))
    initialise(network, (3, 28, 28))
    gammas = network.collect_params(".*gamma").values()
    assert sum(not gamma.data().asnumpy().any() for gamma in gammas) == silent


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "contest_cnn"])
def test_a_seed_draws_the_same_weights_again(name):
    """And another seed other ones."""
    drawn = []
    for seed in (7, 7, 8):
        mx.random.seed(seed)
        network = build(name, 2, shape=(3, 28, 28))
        initialise(network, (3, 28, 28))
        drawn.append({key: value.asnumpy() for key, value in parameters(network).items()})
    assert all(np.array_equal(drawn[0][key], drawn[1][key]) for key in drawn[0])
    assert not all(np.array_equal(drawn[0][key], drawn[2][key]) for key in drawn[0])


@pytest.mark.parametrize("head", ["pool", "flatten", "conv"])
def test_a_network_starts_without_a_strong_opinion(head):
    """Logits of about 1 in size with any head, so that the first loss is not far from random."""
    network = build("resnet18", 3, shape=(3, 56, 56), head=head)
    initialise(network, (3, 56, 56))
    network.hybridize(active=False)  # once is not worth a compilation
    logits = network(mx.nd.random.normal(shape=(4, 3, 56, 56))).asnumpy()
    assert 0.05 < np.abs(logits).max() < 10


def test_the_fashion_mnist_networks_start_as_keras_would():
    """Uniform within sqrt(6 / (in + out)) (Glorot and Bengio 2010), biases zero."""
    network = build("refund_cnn", 10, shape=(1, 28, 28))
    initialise(network, (1, 28, 28))
    values = {name: value.asnumpy() for name, value in parameters(network).items()}
    limit = math.sqrt(6 / (1152 + 128))
    drawn = values["refund_cnn_dense0_weight"]
    assert 0.99 * limit < np.abs(drawn).max() <= limit
    assert not any(value.any() for name, value in values.items() if name.endswith("bias"))


def test_dropout_before_the_last_layer_is_for_training_alone():
    """Two passes in training differ, two otherwise do not."""
    network = build("resnet20", 4, shape=(3, 8, 8), dropout=0.5)
    initialise(network, (3, 8, 8))
    data = mx.nd.random.normal(shape=(4, 3, 8, 8))
    with mx.autograd.train_mode():
        trained = [network(data).asnumpy() for _ in range(2)]
    served = [network(data).asnumpy() for _ in range(2)]
    assert not np.allclose(*trained)
    np.testing.assert_array_equal(*served)


def test_biases_and_batch_norms_do_not_decay():
    """Weight decay is for convolutions and the output layer's weights alone."""
    network = build("resnet20", 2, shape=(3, 8, 8))
    initialise(network, (3, 8, 8))
    decays = {name: each.wd_mult for name, each in network.collect_params().items()}
    assert {name.rpartition("_")[2] for name, decay in decays.items() if decay == 1} >= {"weight"}
    assert {name.rpartition("_")[2] for name, decay in decays.items() if decay == 0} == {
        "gamma",
        "beta",
        "bias",
    }


def test_the_symbol_computes_what_the_network_does():
    """The drawn symbol, with the network's parameters, gives its logits."""
    network = build("resnet20", 4, shape=(3, 8, 8))
    initialise(network, (3, 8, 8))
    data = mx.nd.random.normal(shape=(2, 3, 8, 8))
    symbol = as_symbol(network)
    values = parameters(network)
    states = {name: values.pop(name) for name in symbol.list_auxiliary_states()}
    executor = symbol.bind(mx.cpu(), values | {"data": data}, aux_states=states)
    (found,) = executor.forward(is_train=False)
    np.testing.assert_allclose(found.asnumpy(), network(data).asnumpy(), atol=1e-5)


def test_the_symbol_is_the_same_whenever_it_is_drawn():
    """No counter of the process is in its names, so that equal trainings give equal bytes."""
    for name in ("resnet20", "resnet18", "inception_v3", "xception", "contest_cnn"):
        size = NETWORKS[name].smallest
        symbols = []
        for _ in range(2):
            network = build(name, 2, shape=(1, size, size))
            symbols.append(as_symbol(network).tojson())
        assert symbols[0] == symbols[1]


def test_a_network_has_one_short_name():
    """By family and layers, by layers alone, or by itself."""
    assert short_name("resnet", 34) == short_name(34) == short_name("resnet34") == "resnet34"
    assert short_name("resnet34", 34) == "resnet34"
    assert short_name("xception") == "xception"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet35", {}, r"network 'resnet35': expected one of resnet18.*xception"),
        ("resnet", {}, r"without num_layers: expected one of 18, 34.*110"),
        ("resnet", {"num_layers": 19}, r"num_layers=19: expected one of 18"),
        ("xception", {"num_layers": 50}, r"num_layers=50 with network 'xception'"),
        ("resnet18", {"num_layers": 50}, r"num_layers=50 with network 'resnet18'"),
        ("resnet18", {"shape": (3, 24, 24)}, r"24 pixels with resnet18: expected 28 to"),
        ("resnet20", {"shape": (3, 112, 112)}, r"112 pixels with resnet20: expected 8 to 32"),
        ("resnet18", {"shape": (3, 112, 20)}, r"20 pixels with resnet18"),
        ("xception", {"shape": (3, 70, 70)}, r"70 pixels with xception: expected 71 to"),
        ("refund_cnn", {"shape": (1, 32, 32)}, r"32 pixels with refund_cnn: expected 28$"),
        ("resnet18", {"shape": (4, 112, 112)}, r"image_shape=4,112,112: expected 1 channel"),
        ("resnet18", {"stem_pooling": 0}, r"stem_pooling=0"),
        ("resnet18", {"stem_pooling": 9}, r"224 pixels, 24 after stem_pooling=9,"),
        ("resnet18", {"head": "svm"}, r"head='svm' with resnet18: expected pool or flatten"),
        ("refund_cnn", {"shape": (1, 28, 28), "head": "conv"}, r"head='conv' with refund_cnn"),
        ("refund_cnn", {"shape": (1, 28, 28), "dropout": 0.1}, r"dropout=0.1 with refund_cnn"),
        ("resnet18", {"dropout": 1.0}, r"dropout=1.0: expected a number from 0 to below 1"),
        ("resnet18", {"num_classes": 0}, r"num_classes=0"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(name, settings, message):
    """The message names the value, then what was expected."""
    with pytest.raises(TrainingError, match=message):
        build(name, settings.pop("num_classes", 2), **settings)


def test_the_hint_names_networks_for_the_pictures_at_hand():
    """A ResNet for small pictures at 112 pixels is answered with those for large ones."""
    with pytest.raises(TrainingError) as caught:
        build("resnet", 2, shape=(3, 112, 112), num_layers=20)
    assert "resnet18" in caught.value.hint
    assert "resnet56" not in caught.value.hint
