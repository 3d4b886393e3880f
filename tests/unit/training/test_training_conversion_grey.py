"""SageMaker's artifacts for grey pictures: photos arrive as RGB, and are made grey by luma."""

import io
import json

import mxnet as mx
import numpy as np
import pytest
import sagemaker_artifact as sagemaker
from PIL import Image

from contracts import TrainingError
from hosting.model import Model
from training.conversion import convert
from training.environment import Environment
from training.job import train

GREY = (1, 1, sagemaker.SIZE, sagemaker.SIZE)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The folder of such an artifact's three files."""
    folder = tmp_path_factory.mktemp("grey")
    sagemaker.write(folder, shape=GREY, channels=1, seed=10)
    return folder


def laid_out(job, bare, **settings):
    """The environment of a job whose channel `model` holds the files."""
    channel = job.folder / "input" / "data" / "model"
    channel.mkdir(parents=True)
    for file in bare.iterdir():
        if file.name != "model.tar.gz":
            (channel / file.name).write_bytes(file.read_bytes())
    text = json.dumps({name: str(value) for name, value in settings.items()})
    (job.folder / "input" / "config" / "hyperparameters.json").write_text(text)
    return Environment(job.folder, "", 1)


def luma(photos):
    """(N, 1, H, W): 0.299 red, 0.587 green, 0.114 blue."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.tensordot(sagemaker.raw(photos), weights, axes=(1, 0))[:, np.newaxis]


def coloured(colour):
    """A photo of one colour with noise, PNG."""
    noise = np.random.default_rng(sum(colour)).integers(-20, 21, (28, 28, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_converted_grey_artifact_serves_what_mxnet_answers(job, bare):
    """To the luma of coloured photos, which its reader of records gives it in whole numbers."""
    environment = laid_out(job, bare)
    card = convert(environment)
    assert card["hyperparameters"]["image_shape"] == (1, 28, 28)
    model = Model.load(environment.model_dir, threads=1)
    photos = [coloured(one) for one in ((220, 30, 30), (30, 220, 30), (30, 30, 220), (90, 90, 90))]
    found = np.array([model.classify(photo) for photo in photos])
    expected = sagemaker.answers(bare, luma(photos))
    assert np.abs(found - expected).max() < 1e-3
    assert np.ptp(expected[:, 0]) > 0.5
    read = np.stack([mx.image.imdecode(photo, flag=0).asnumpy()[None, :, :, 0] for photo in photos])
    assert np.abs(read - luma(photos)).max() < 1.1


def test_shapes_that_the_network_does_not_take_are_refused(job, bare):
    """Files of two artifacts have been mixed."""
    environment = laid_out(job, bare)
    shapes = job.folder / "input/data/model/model-shapes.json"
    shapes.write_text(json.dumps([{"name": "data", "shape": [1, 3, 28, 28]}]))
    with pytest.raises(TrainingError, match=r"tells 3 channels: expected 1, as the network takes"):
        convert(environment)


def test_a_job_goes_on_from_a_grey_artifact(make_job, settings_of, bare, tmp_path, draw):
    """Its network, and what it learns serves."""
    job = make_job(tmp_path, "train", "validation")
    environment = laid_out(job, bare, **settings_of(epochs=3, learning_rate=0.01))
    card = train(environment, lambda: False)
    assert card["metrics"]["epochs"][-1]["train_accuracy"] > 0.8
    model = Model.load(job.model_dir, threads=1)
    answers = [model.classify(draw(900 + level, level)) for level in (60, 190)]
    assert [int(np.argmax(answer)) for answer in answers] == [0, 1]
