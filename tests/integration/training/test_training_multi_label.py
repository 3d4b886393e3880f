"""Photos that show several classes, or none: from an im2rec list to the endpoint's answer."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from contracts import TrainingError
from hosting.model import Model
from hosting.replies import encode
from recordio_prep import prepare
from recordio_prep.sources.listing import Listing
from training.environment import Environment
from training.job import train

NAMES = ("red", "green", "blue")


def coloured(labels, seed):
    """A noisy photo, each of its colours bright where its label is 1; PNG bytes."""
    noise = np.random.default_rng(seed).integers(-40, 41, (28, 28, 3))
    levels = np.where(labels, 190, 60)
    buffer = io.BytesIO()
    Image.fromarray((levels + noise).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def listed(folder, photos, seed):
    """A folder of photos and the list that names them; blue is rare."""
    folder.mkdir(parents=True)
    draw, lines = np.random.default_rng(seed), []
    for number in range(photos):
        labels = (draw.random(3) < (0.5, 0.5, 0.2)).astype(int)
        (folder / f"{number}.png").write_bytes(coloured(labels, seed + number))
        lines.append("\t".join([str(number), *map(str, labels), f"{number}.png"]))
    (folder / "list.lst").write_text("\n".join(lines) + "\n")
    return Listing.opened(folder / "list.lst", folder, names=NAMES)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Records of 96 photos to train on, 24 for validation and 12 for test."""
    root = tmp_path_factory.mktemp("labelled")
    counts = {"train": 96, "validation": 24, "test": 12}
    sources = {name: listed(root / name, count, 1000 * count) for name, count in counts.items()}
    prepare(sources.pop("train"), root / "records", size=28, workers=1, **sources)
    return root / "records"


@pytest.fixture(scope="module")
def trained(labelled, empty_job, settings_of, tmp_path_factory):
    """(job, model card) of a whole job with weighted classes."""
    job = empty_job(tmp_path_factory.mktemp("multi"))
    for split in ("train", "validation", "test"):
        job.channel(split, labelled)
    strings = settings_of(
        network="refund_cnn",
        epochs=8,
        optimizer="adam",
        learning_rate=0.002,
        multi_label=1,
        use_weighted_loss=1,
    )
    config = job.folder / "input/config/hyperparameters.json"
    config.write_text(json.dumps({name: str(value) for name, value in strings.items()}))
    return job, train(Environment(job.folder, "", 1), lambda: False)


def test_each_label_is_learnt(trained):
    """The accuracy is that of yes and no answers."""
    _, card = trained
    assert card["multi_label"]
    assert card["classes"] == list(NAMES)
    assert card["metrics"]["test_accuracy"] > 0.9
    assert card["metrics"]["validation_accuracy"] > 0.9
    assert "calibration_error" not in card["metrics"]  # of a softmax alone


@pytest.mark.parametrize("labels", [(1, 1, 0), (0, 0, 0), (1, 1, 1)])
def test_the_endpoint_answers_each_label_apart(trained, labels):
    """By a sigmoid: the probabilities of a photo that shows all add up to far above 1."""
    job, card = trained
    model = Model.load(job.model_dir, threads=1)
    photo = coloured(np.array(labels), 77)
    answer = model.answer(photo)
    assert [probability > 0.5 for probability in answer.probabilities] == [bool(x) for x in labels]
    pictures = model.preparation.array(photo)[np.newaxis]
    probabilities, logits = model.predict_both(pictures)
    expected = 1 / (1 + np.exp(-logits / card["temperature"]))
    assert np.allclose(probabilities, expected, atol=1e-6)
    for accept in ("application/json;verbose", "application/jsonlines"):
        _, body = encode(model, answer, accept, milliseconds=1.0)
        told = json.loads(body)
        assert told.get("probabilities", told.get("prediction")) == answer.probabilities


def test_each_channel_has_its_report(trained):
    """With figures for several labels a photo."""
    job, _ = trained
    for name in ("validation", "test"):
        folder = job.folder / "output" / "data" / name
        assert (folder / "report.html").stat().st_size > 1000
        assert json.loads((folder / "metrics.json").read_text())["kind"] == "multi-label"


def test_several_labels_need_the_hyperparameter(labelled, empty_job, settings_of, tmp_path):
    """Nothing is trained on the first label alone."""
    job = empty_job(tmp_path)
    job.channel("train", labelled)
    strings = {n: str(value) for n, value in settings_of(network="refund_cnn").items()}
    (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
    with pytest.raises(
        TrainingError, match="channel train has 3 labels a photo, expected one"
    ) as told:
        train(Environment(job.folder, "", 1), lambda: False)
    assert told.value.hint.startswith("multi_label=1 trains on")
