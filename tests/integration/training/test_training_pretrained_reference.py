"""Converted weights give what PyTorch gives, stage by stage.

Where this interpreter has no torch, SNAPSHELF_TORCH_PYTHON names one that has.
"""

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.model_zoo import vision

from training.networks.efficientnet import efficientnet
from training.pretrained import load, transfer
from training.pretrained.weights_file import read_weights

PROGRAM = Path(__file__).with_name("torch_reference.py")
NETWORKS = {
    **{
        f"resnet{layers}": functools.partial(vision.get_resnet, 1, layers, classes=7)
        for layers in (18, 34, 50, 101, 152)
    },
    **{
        f"efficientnet-lite{number}": functools.partial(
            efficientnet, f"efficientnet-lite{number}", 7
        )
        for number in (0, 1, 2)
    },
    "tf_efficientnet-b0": lambda: efficientnet("efficientnet-b0", 7),
    "efficientnet-b0": lambda: efficientnet("efficientnet-b0", 7),
    "torchvision-efficientnet-b0": lambda: efficientnet("efficientnet-b0", 7),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function: the folder of a network's weights and outputs, as torch wrote them."""
    here = sys.executable if importlib.util.find_spec("torch") else None
    python = os.environ.get("SNAPSHELF_TORCH_PYTHON", here)
    if not python:
        pytest.skip("torch is absent; name an interpreter that has it by SNAPSHELF_TORCH_PYTHON")
    folders = {}

    def write(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("torch") / name
            folders[name].mkdir()
            subprocess.run([python, "-W", "ignore", PROGRAM, name, folders[name]], check=True)
        return folders[name]

    return write


def stages_of(network, photo):
    """What each part of `features` gives, and the logits."""
    outputs, x = [], photo
    for child in network.features:
        x = child(x)
        outputs.append(x)
    return outputs, network(photo)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_stage_gives_what_torch_gives(written, name):
    """On a photo whose sides are odd where they are halved and even elsewhere."""
    folder = written(name)
    if name.startswith("tf_"):
        (folder / "config.json").write_text('{"architecture": "tf_efficientnet_b0"}')
    pretrained = load(str(folder / "weights.pth"))
    network = NETWORKS[name]()
    network.initialize()
    network(mx.nd.zeros((1, 3, 75, 75)))
    transferred = transfer(network, pretrained)
    assert not transferred.anew
    assert all(name.endswith("num_batches_tracked") for name in transferred.unused)
    with np.load(folder / "stages.npz") as expected:
        outputs, logits = stages_of(network, mx.nd.array(expected["photo"]))
        if name.startswith("resnet"):
            outputs = outputs[2:8]
        else:
            turned = pretrained.form.padding == "same"
            outputs = [x[:, :, ::-1, ::-1] if turned else x for x in outputs[1:-1]]
        count = len(expected.files) - 2
        assert len(outputs) == count
        for number, output in enumerate([*outputs, logits]):
            wanted = expected[str(number)]
            assert output.shape == wanted.shape
            error = np.abs(output.asnumpy() - wanted).max() / np.abs(wanted).max()
            assert error < 2e-5, number
        assert np.ptp(expected[str(count)]) > 0.05


def test_both_forms_of_torch_file_hold_the_same(written):
    """The zip, the one before, a checkpoint of the weights, and half the digits."""
    folder = written("resnet18")
    files = {
        each: read_weights(folder / f"{each}.pth", each)
        for each in ("weights", "legacy", "checkpoint", "bf16")
    }
    expected = files["weights"].arrays
    assert len(expected) == 122
    for name, array in expected.items():
        np.testing.assert_array_equal(files["legacy"].arrays[name], array)
        np.testing.assert_array_equal(files["checkpoint"].arrays[name], array)
        np.testing.assert_allclose(files["bf16"].arrays[name], array, rtol=2**-8)
    assert files["checkpoint"].others == ("epoch", "optimizer")


def test_views_of_one_storage_are_read_as_views(written):
    """Another order of axes, a part of the numbers."""
    arrays = read_weights(written("resnet18") / "views.pth", "views").arrays
    whole = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(arrays["whole"], whole)
    np.testing.assert_array_equal(arrays["view"], whole.transpose(2, 0, 1)[1:])
