"""Artifacts of SageMaker's own algorithm: they load, serve and go on learning."""

import json
import tarfile

import numpy as np
import pytest
import sagemaker_artifact as sagemaker

from contracts import ArtifactError, TrainingError
from hosting.model import Model
from training.conversion import Told, convert
from training.environment import Environment
from training.job import train


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The folder of an artifact's three files, and the model.tar.gz of them."""
    folder = tmp_path_factory.mktemp("bare")
    sagemaker.write(folder)
    return folder


@pytest.fixture
def lay_out(job, bare):
    """A function that lays out a conversion: `lay_out(settings)` returns its environment."""

    def write(settings, *, leave_out=(), **files):
        channel = job.folder / "input" / "data" / "model"
        channel.mkdir(parents=True)
        for file in bare.iterdir():
            if file.name != "model.tar.gz" and file.name not in leave_out:
                (channel / file.name).write_bytes(file.read_bytes())
        for name, text in files.items():
            (channel / name.replace("_", "-").replace("-json", ".json")).write_text(text)
        config = job.folder / "input" / "config" / "hyperparameters.json"
        config.write_text(json.dumps(settings))
        return Environment(job.folder, "", 1)

    return write


def test_a_bare_artifact_is_not_served_and_the_way_is_told(bare):
    """Hosting does without MXNet, so it cannot help itself."""
    with pytest.raises(ArtifactError, match=r"model-card\.json is missing") as raised:
        Model.load(bare, threads=1)
    assert "snapshelf convert" in raised.value.hint


def test_a_converted_artifact_serves_what_mxnet_answers(lay_out, bare, draw):
    """On photos as the built-in algorithm prepares them: RGB pixels of 0..255, and no statistics.

    Its three files stay byte for byte what they were.
    """
    environment = lay_out({"classes": '["dark", "light"]'})
    card = convert(environment)
    assert (card["classes"], card["multi_label"]) == (["dark", "light"], False)
    assert "temperature" not in card
    model = Model.load(environment.model_dir, threads=1)
    photos = [draw(seed, level) for seed, level in enumerate((20, 90, 150, 230))]
    found = np.array([model.classify(photo) for photo in photos])
    expected = sagemaker.answers(bare, sagemaker.raw(photos))
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected[:, 0]) > 0.01  # or any network would do
    for name in ("image-classification-0007.params", "image-classification-symbol.json"):
        assert (environment.model_dir / name).read_bytes() == (bare / name).read_bytes()


def test_without_names_the_classes_are_numbers(lay_out):
    """As SageMaker's own answers are."""
    assert convert(lay_out({}))["classes"] == ["0", "1"]


def test_other_statistics_and_fit_are_taken_where_they_are_told(lay_out):
    """For networks that were trained on normalised pictures by MXNet's own scripts."""
    card = convert(lay_out({"mean": "123.68,116.779,103.939", "std": "58,57,56", "fit": "crop"}))
    statistics = {"mean": [123.68, 116.779, 103.939], "std": [58, 57, 56]}
    assert card["photo"] == {"size": 28, "fit": "crop", "statistics": statistics}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"classes": '["a"]'}, r"1 class names \(a\): the network has 2 classes"),
        ({"classes": '["a", "a"]'}, "expected names that differ"),
        ({"classes": "a,b"}, "expected a JSON list"),
        ({"fit": "stretch"}, "fit='stretch': expected squash or crop or pad"),
        ({"mean": "1,2"}, "mean='1,2': expected three numbers"),
        ({"std": "1,0,1"}, "std='1,0,1': expected three numbers"),
        ({"epochs": "3"}, "unknown setting 'epochs'"),
    ],
)
def test_what_cannot_be_is_refused(lay_out, settings, reason):
    """With the value, and what was expected."""
    with pytest.raises(TrainingError, match=reason):
        convert(lay_out(settings))


def test_an_artifact_without_shapes_or_of_two_channels_is_refused(lay_out):
    """The size is nowhere else, and photos are RGB or grey."""
    pairs = json.dumps([{"name": "data", "shape": [1, 2, 28, 28]}])
    environment = lay_out({}, model_shapes_json=pairs)
    with pytest.raises(TrainingError, match=r"shape \[1, 2, 28, 28\]; expected"):
        convert(environment)
    (environment.base_dir / "input" / "data" / "model" / "model-shapes.json").unlink()
    with pytest.raises(TrainingError, match=r"model-shapes\.json is missing"):
        convert(environment)


def test_what_is_served_already_is_not_converted(lay_out):
    """Its card would lose what training had found out."""
    environment = lay_out({})
    convert(environment)
    for name in ("model.onnx", "model-card.json"):
        served = environment.model_dir / name
        (environment.base_dir / "input/data/model" / name).write_bytes(served.read_bytes())
    with pytest.raises(TrainingError, match=r"has model\.onnx and model-card\.json already"):
        convert(environment)


def test_told_settings_default_to_the_built_in_algorithms():
    """Raw pixels, both sides scaled."""
    assert Told.parse({}) == Told((), "squash", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_job_goes_on_from_it_and_what_it_learns_serves(
    make_job, settings_of, bare, draw, tmp_path, *, classes
):
    """In the model channel, on raw pixels as before; with other classes only the head is new."""
    job = make_job(tmp_path, "train", "validation")
    if classes == 3:
        for document in job.folder.glob("input/data/*/dataset.json"):
            told = json.loads(document.read_text())
            told["classes"].append("other")
            document.write_text(json.dumps(told))
    (job.folder / "input/data/model").mkdir()
    archive = job.folder / "input/data/model/model.tar.gz"
    archive.write_bytes((bare / "model.tar.gz").read_bytes())
    strings = {n: str(v) for n, v in settings_of(epochs=3, learning_rate=0.01).items()}
    (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
    card = train(Environment(job.folder, "", 1), lambda: False)
    assert card["photo"]["statistics"] == {"mean": [0, 0, 0], "std": [1, 1, 1]}
    assert card["metrics"]["epochs"][-1]["train_accuracy"] > 0.8
    model = Model.load(job.model_dir, threads=1)
    answers = [model.classify(draw(900 + level, level)) for level in (60, 190)]
    assert [int(np.argmax(answer)) for answer in answers] == [0, 1]
    with tarfile.open(archive) as former:
        assert "image-classification-0007.params" in former.getnames()
