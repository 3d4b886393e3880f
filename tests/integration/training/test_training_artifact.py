"""The artifact: SageMaker's files and ours, the same network in both."""

import hashlib
import json

import mxnet as mx
import numpy as np
import pytest

from hosting.model import Model
from photo import Preparation
from recordio_prep import read_records


@pytest.fixture(scope="module")
def artifact(finished):
    """The model folder of the finished job."""
    job, code, lines = finished
    assert code == 0, "\n".join(lines)
    return job.model_dir


@pytest.fixture(scope="module")
def card(artifact):
    """Its model card."""
    return json.loads((artifact / "model-card.json").read_text())


@pytest.fixture(scope="module")
def best(artifact):
    """The number in the name of the one .params file."""
    (params,) = artifact.glob("*.params")
    return int(params.stem.rpartition("-")[2])


@pytest.fixture(scope="module")
def photos(records):
    """The photos of the validation split, as they were packed."""
    return [photo for _, photo in read_records(records / "validation.rec")]


def test_the_files_are_sagemakers_and_ours(artifact, best):
    """The three of the built-in algorithm, an ONNX model and a card; nothing else."""
    assert {file.name for file in artifact.iterdir()} == {
        f"image-classification-{best:04d}.params",
        "image-classification-symbol.json",
        "model-shapes.json",
        "model.onnx",
        "model-card.json",
    }
    assert json.loads((artifact / "model-shapes.json").read_text()) == [
        {"name": "data", "shape": [1, 3, 28, 28]}
    ]


def test_the_best_epoch_names_the_params(finished, best):
    """The epoch of the highest validation accuracy, of equals that of the lower loss."""
    metrics = json.loads((finished[0].folder / "output" / "data" / "metrics.json").read_text())
    scores = [(e["validation_accuracy"], -e["validation_loss"]) for e in metrics["epochs"]]
    assert len(scores) == 2
    assert best == scores.index(max(scores))
    assert metrics["validation_accuracy"] == max(scores)[0]


def test_the_card_says_what_the_endpoint_needs(artifact, card, records):
    """Classes, preparation as the records', version of the network's bytes, settings, metrics."""
    dataset = json.loads((records / "dataset.json").read_text())
    digest = hashlib.sha256((artifact / "model.onnx").read_bytes()).hexdigest()
    assert card["classes"] == ["dark", "light"]
    assert Preparation.from_dict(card["photo"]) == Preparation.from_dict(dataset)
    assert card["version"] == digest[:12]
    told = ("fingerprint", "seed", "train_ratio")
    assert card["data"] == {name: dataset[name] for name in told}
    assert card["network"] == "resnet18"
    assert card["hyperparameters"]["learning_rate"] == 0.02
    assert card["job"]["hyperparameters"]["learning_rate"] == "0.02"
    assert card["job"]["goes_on"] is False
    assert card["metrics"]["photos"] == {"train": 48, "validation": 8, "test": 6}


def test_mxnets_module_and_the_endpoint_agree(artifact, card, best, photos):
    """`mx.mod` on the checkpoint and hosting on the ONNX model: the same probabilities."""
    preparation = Preparation.from_dict(card["photo"])
    data = np.stack([preparation.array(photo) for photo in photos])
    symbol, weights, states = mx.model.load_checkpoint(str(artifact / "image-classification"), best)
    assert set(symbol.list_arguments()) - set(weights) == {"data", "softmax_label"}
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", data.shape)], for_training=False)
    module.set_params(weights, states, allow_missing=True)
    module.forward(mx.io.DataBatch([mx.nd.array(data)]), is_train=False)
    expected = module.get_outputs()[0].asnumpy()
    hosted = Model.load(artifact, threads=1)
    found = np.array([hosted.classify(photo) for photo in photos])
    assert np.ptp(expected[:, 0]) > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)
