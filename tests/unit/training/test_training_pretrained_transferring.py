"""Weights go where they belong, by name; what does not fit is refused and changes nothing."""

import tarfile

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.model_zoo import vision
from torchvision_arrays import drawn, torchvision_arrays, torchvision_names

from contracts import PARAMS_FILE, SYMBOL_FILE, TrainingError
from training.networks import as_symbol, build, initialise
from training.networks.efficientnet import efficientnet
from training.pretrained import Form, Pretrained, adapt, build_symbol, guess, load, transfer
from training.pretrained.form import PYTORCH_RESNET

SIZE = (3, 32, 32)
LEAVES = {"gamma": "weight", "beta": "bias"}


def values(network):
    """Copies of all parameters, by name.

    Only once all is done: oneDNN reorders the weights of a first forward pass on the side.
    """
    mx.nd.waitall()
    return {n: p.data().asnumpy().copy() for n, p in network.collect_params().items()}


def pretrained(arrays, **options):
    """As `load` would return it."""
    return Pretrained("weights", guess(arrays), arrays, **options)


@pytest.fixture(scope="module")
def resnet18():
    """Torchvision's ResNet-18 of 1,000 classes."""
    return torchvision_arrays(18, 1000)


def test_another_number_of_classes_draws_the_head_alone_anew(resnet18):
    """All of the features come from the file; everything in it is used or listed."""
    network = build(18, 5)
    initialise(network, SIZE)
    before = values(network)
    transferred = transfer(network, pretrained(resnet18))
    after = values(network)
    assert transferred.anew == ("resnet18_dense0_weight", "resnet18_dense0_bias")
    assert transferred.zeroed == ()
    assert set(transferred.unused) == {"fc.weight", "fc.bias", "bn1.num_batches_tracked"}
    assert len(transferred.loaded) == len(after) - 2 == len(resnet18) - 3
    for name in transferred.anew:
        np.testing.assert_array_equal(after[name], before[name])
    np.testing.assert_array_equal(after["resnet18_conv0_weight"], resnet18["conv1.weight"])
    last = after["resnet18_stage4_batchnorm3_gamma"]
    np.testing.assert_array_equal(last, resnet18["layer4.1.bn1.weight"])


def test_the_head_comes_along_where_it_fits_and_is_wanted():
    """With the same number of classes, unless head=False."""
    arrays = torchvision_arrays(18, 3)
    network = drawn(build(18, 3))
    assert "resnet18_dense0_weight" in transfer(network, pretrained(arrays)).loaded
    np.testing.assert_array_equal(values(network)["resnet18_dense0_bias"], arrays["fc.bias"])
    assert len(transfer(network, pretrained(arrays), head=False).anew) == 2


def test_a_pooled_stem_does_not_matter(resnet18):
    """The network may stand behind a pooling layer."""
    network = build(18, 5, stem_pooling=2)
    initialise(network, (3, 64, 64))
    assert len(transfer(network, pretrained(resnet18)).loaded) == len(resnet18) - 3


def test_a_resnet_50_takes_pytorchs_form():
    """Its strides move onto the 3x3 convolutions, and the biases that PyTorch lacks become zero."""
    arrays = torchvision_arrays(50, 4)
    network = build(50, 4)
    initialise(network, SIZE)
    transferred = transfer(network, pretrained(arrays, form=PYTORCH_RESNET))
    assert len(transferred.zeroed) == 2 * 16
    assert all(name.endswith("_bias") for name in transferred.zeroed)
    strides = [network.features[5][0].body[number]._kwargs["stride"] for number in (0, 3)]
    assert strides == [(1, 1), (2, 2)]
    adapt(network, Form(stride_on_3x3=False))
    assert network.features[5][0].body[0]._kwargs["stride"] == (2, 2)


def test_a_form_survives_its_document():
    """So that a training that goes on builds the same network."""
    for form in (PYTORCH_RESNET, Form(padding="same", epsilon=1e-3), Form()):
        assert Form(**form.to_dict()) == form


def test_an_adapted_network_computes_otherwise_even_when_compiled():
    """What Gluon has compiled, or drawn as a symbol, is made anew."""
    network = build(50, 2)
    initialise(network, (3, 64, 64))
    for parameter in network.collect_params(".*gamma").values():
        parameter.set_data(mx.nd.ones(parameter.shape))
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    first = network(data).asnumpy()
    adapt(network, PYTORCH_RESNET)
    second = network(data).asnumpy()
    assert np.abs(first - second).max() > 1e-3 * np.abs(first).max()
    assert '"(2, 2)"' in as_symbol(network).tojson()


@pytest.mark.parametrize(
    ("layers", "into", "said"),
    [
        (34, lambda: build(18, 3), "weights seems to be resnet34.*network resnet18"),
        (18, lambda: build(34, 3), "weights seems to be resnet18.*network resnet34"),
        (18, lambda: build(50, 3), "seems to be resnet18.*network resnet50.*shape"),
        (18, lambda: efficientnet("efficientnet-b0", 3), "resnet18.*network efficientnet-b0"),
    ],
)
def test_another_architecture_is_named_and_changes_nothing(layers, into, said):
    """Both networks, the first thing that does not fit, and what to do."""
    network = drawn(into())
    before = values(network)
    with pytest.raises(TrainingError, match=said) as caught:
        transfer(network, pretrained(torchvision_arrays(layers, 3)))
    assert f"train a network resnet{layers}" in caught.value.hint
    for name, value in values(network).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("layer2.0.bn1.running_var"), "has nothing for .*running_var"),
        (lambda arrays: arrays.update(extra=np.ones(2)), "nothing in the network takes extra"),
        (lambda arrays: arrays["bn1.bias"].fill(np.nan), "bn1.bias holds a number that is not"),
    ],
)
def test_a_file_that_almost_fits_is_refused(resnet18, change, said):
    """One tensor missing, one too many, one that is not finite."""
    arrays = {name: array.copy() for name, array in resnet18.items()}
    change(arrays)
    with pytest.raises(TrainingError, match=said):
        transfer(drawn(build(18, 5)), pretrained(arrays))


def test_a_network_of_grey_photos_is_told_so(resnet18):
    """Published weights look at three channels."""
    network = drawn(vision.get_resnet(1, 18, classes=2), (1, 32, 32))
    with pytest.raises(TrainingError, match="photos of 3 channels, the network of 1"):
        transfer(network, pretrained(resnet18))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"layer1.0.conv2.weight": (128, 4, 3, 3)}, "resnext50_32x4d"),
        ({"layer1.0.conv2.weight": (128, 128, 3, 3)}, "wide_resnet50_2"),
        ({"layer1.0.se.fc1.weight": (16, 64, 1, 1)}, "seresnet50"),
        ({}, "resnet50"),
    ],
)
def test_relatives_of_resnets_are_told_apart(shapes, expected):
    """By the width of a unit, its groups and what else it has."""
    names = [f"{name}.weight" for name, _ in torchvision_names(50)]
    arrays = {name: np.empty((64, 64, 1, 1)) for name in names}
    assert guess(arrays | {name: np.empty(shape) for name, shape in shapes.items()}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks.0.attn.qkv.weight", "vit"),
        ("features.denseblock1.denselayer1.conv1.weight", "densenet"),
        ("something.else", "unknown"),
    ],
)
def test_other_networks_are_named_where_they_are_known(name, expected):
    """For the message alone; there are no names to transfer them by."""
    assert guess({name: np.ones(2)}) == expected


def gluon_files(network, folder):
    """A network's weights in the three ways that Gluon writes them."""
    network.save_parameters(str(folder / "structure.params"))
    network.collect_params().save(str(folder / "full.params"))
    network.hybridize()
    network(mx.nd.zeros((1, *SIZE)))
    network.export(str(folder / "exported"), epoch=0)
    return [folder / name for name in ("structure.params", "full.params", "exported-0000.params")]


@pytest.mark.parametrize("stem", [1, 2])
def test_gluons_own_files_fit_whatever_their_networks_prefix(tmp_path, stem):
    """By structure, by name, and as exported; from the model zoo, or from ours behind a stem."""
    zoo = vision.get_resnet(1, 18, classes=3) if stem == 1 else build(18, 3, stem_pooling=2)
    drawn(zoo, SIZE if stem == 1 else (3, 64, 64))
    expected = list(values(zoo).values())
    for path in gluon_files(zoo, tmp_path):
        network = drawn(build(18, 3, stem_pooling=stem), (3, 64, 64))
        found = load(str(path))
        assert (found.architecture, found.mxnet, found.mean) == ("resnet18", True, None), path.name
        transferred = transfer(network, found)
        assert transferred.anew == transferred.unused == ()
        for value, wanted in zip(values(network).values(), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)


def test_gluons_weights_of_another_depth_are_refused(tmp_path):
    """The file's network is named too."""
    network = drawn(vision.get_resnet(1, 34, classes=3))
    for path in gluon_files(network, tmp_path):
        with pytest.raises(TrainingError, match="seems to be resnet34"):
            transfer(drawn(build(18, 3)), load(str(path)))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """(folder, network): a former artifact of two classes in SageMaker's layout."""
    folder = tmp_path_factory.mktemp("artifact")
    network = build(18, 2)
    initialise(network, SIZE)
    logits = as_symbol(network)
    mx.sym.SoftmaxOutput(logits, name="softmax").save(str(folder / SYMBOL_FILE))
    states = set(logits.list_auxiliary_states())
    tagged = {
        f"{'aux' if name in states else 'arg'}:{name}": parameter.data()
        for name, parameter in network.collect_params().items()
    }
    mx.nd.save(str(folder / PARAMS_FILE.format(epoch=7)), tagged)
    return folder, network


@pytest.mark.parametrize("packed", [False, True])
def test_a_former_artifact_brings_its_network(artifact, tmp_path, packed):
    """From its folder or archive; with the same classes it answers as it did."""
    folder, former = artifact
    address = folder
    if packed:
        address = tmp_path / "model.tar.gz"
        with tarfile.open(address, "w:gz", compresslevel=0) as archive:
            archive.add(folder, arcname=".")
    found = load(str(address))
    network = build_symbol(found, 2)
    initialise(network, SIZE)
    transferred = transfer(network, found)
    assert transferred.anew == transferred.unused == ()
    data = mx.nd.random.normal(shape=(2, *SIZE))
    np.testing.assert_allclose(network(data).asnumpy(), former(data).asnumpy(), atol=1e-5)


def test_a_former_artifact_learns_other_classes(artifact):
    """The last layer is a new one of the same name; gradients reach the first."""
    found = load(str(artifact[0]))
    network = build_symbol(found, 5)
    initialise(network, SIZE)
    transferred = transfer(network, found)
    assert transferred.anew == ("resnet18_dense0_weight", "resnet18_dense0_bias")
    assert transferred.unused == transferred.anew
    with mx.autograd.record():
        logits = network(mx.nd.random.normal(shape=(2, *SIZE)))
    logits.backward()
    assert logits.shape == (2, 5)
    parameters = network.collect_params()
    assert parameters["resnet18_dense0_weight"].shape == (5, 512)
    assert parameters["resnet18_conv0_weight"].grad().abs().sum().asscalar() > 0
    assert as_symbol(network).list_outputs() == ["resnet18_dense0_fwd_output"]


@pytest.mark.parametrize("operator", ["Custom", "_Native", "_NDArray", "_foreach"])
def test_a_symbol_of_other_operators_is_refused(artifact, operator):
    """Some of MXNet's call what a number in the file points to."""
    found = load(str(artifact[0]))
    symbol = found.symbol.replace('"op": "Pooling"', f'"op": "{operator}"')
    with pytest.raises(TrainingError, match=f"operator {operator}, which is not admitted"):
        build_symbol(Pretrained("w", "symbol", found.arrays, mxnet=True, symbol=symbol), 2)


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("no json", "no JSON of MXNet"),
        ('{"nodes": []}', "no fully-connected layer"),
        ("[]", "no JSON of MXNet"),
        (None, "has no symbol"),
    ],
)
def test_a_damaged_symbol_is_refused(symbol, said):
    """Whatever it holds in place of a network."""
    with pytest.raises(TrainingError, match=said):
        build_symbol(Pretrained("w", "symbol", {}, mxnet=True, symbol=symbol), 2)


def test_a_symbol_without_some_of_its_weights_is_refused(artifact):
    """By the first name that is missing."""
    found = load(str(artifact[0]))
    arrays = {name: array for name, array in found.arrays.items() if "conv0" not in name}
    with pytest.raises(TrainingError, match="needs resnet18_conv0_weight"):
        build_symbol(Pretrained("w", "symbol", arrays, mxnet=True, symbol=found.symbol), 2)
