"""What a job refuses before it trains, and what it warns of."""

import json

import pytest

from contracts import TrainingError
from training.channels import Augmentation
from training.environment import Environment
from training.hyperparameters import Hyperparameters
from training.job import _augmentation, train


@pytest.fixture
def run(job, tmp_path):
    """A function that runs the job in this process, on hyperparameters."""

    def start(**hyperparameters):
        path = job.folder / "input" / "config" / "hyperparameters.json"
        path.write_text(
            json.dumps({"num_layers": "18", "image_shape": "3,28,28", **hyperparameters})
        )
        return train(Environment(job.folder, "", 1), lambda: False)

    return start


def test_pictures_are_moved_and_mirrored_as_asked_and_nothing_else():
    """Without an augmentation_type; beside `crop` its own ranges stay."""
    plain = _augmentation(Hyperparameters(padding=2, mirror=True))
    assert plain == Augmentation(padding=2, mirror=True)
    crop = _augmentation(Hyperparameters(augmentation_type="crop", padding=4))
    assert crop == Augmentation(min_area=0.5, max_aspect=0.25, mirror=True, padding=4)


def test_a_job_needs_a_train_channel(run):
    """A job of no channels is told which one it lacks."""
    with pytest.raises(TrainingError, match="no train channel"):
        run()


def test_records_without_names_need_a_number_of_classes(run, job, pack, draw):
    """Nothing else says how many outputs the network has."""
    pack([draw(0), draw(1)], folder=job.folder / "input" / "data" / "train")
    with pytest.raises(TrainingError, match="num_classes is required"):
        run()


def test_a_number_of_classes_that_the_records_do_not_have_is_told(run, job, records):
    """dataset.json knows better than the hyperparameter, and names the classes."""
    job.channel("train", records)
    with pytest.raises(TrainingError, match=r"num_classes=3: the records hold 2 .*\(dark, light\)"):
        run(num_classes="3")


@pytest.mark.parametrize("name", ["frozen_layers", "freeze_epochs", "freeze_statistics"])
def test_nothing_is_held_that_has_yet_to_learn(run, job, records, name):
    """Weights that were drawn at random would stay so."""
    job.channel("train", records)
    with pytest.raises(TrainingError, match=f"{name}=.* without pretrained weights"):
        run(**{name: "1"})


def test_records_of_another_size_are_told(run, job, records):
    """A picture size that was not prepared is not made of smaller ones."""
    job.channel("train", records)
    with pytest.raises(TrainingError, match="the records hold pictures of 28"):
        run(image_shape="3,112,112")


@pytest.mark.parametrize("channel", ["train", "validation"])
def test_a_label_beyond_the_classes_is_told(run, job, pack, draw, channel):
    """MXNet would train it as the last class, and say nothing."""
    for name in ("train", "validation"):
        labels = [0, 2 if name == channel else 1]
        pack([draw(0), draw(1)], labels=labels, folder=job.folder / "input" / "data" / name)
    with pytest.raises(TrainingError, match=f"channel {channel} holds label 2: expected 0 to 1"):
        run(num_classes="2")


def test_a_damaged_channel_of_any_name_stops_the_job(run, job, records, pack):
    """A test channel that cannot be read is told before hours of training, not after."""
    job.channel("train", records)
    pack([], folder=job.folder / "input" / "data" / "test")
    with pytest.raises(TrainingError, match="channel test"):
        run()


def test_records_and_settings_are_all_that_a_job_needs(run, job, pack, draw, caplog):
    """No names, no validation, a wrong number of samples: numbers, the last epoch, a warning."""
    pack([draw(0), draw(1)], folder=job.folder / "input" / "data" / "train")
    settings = {"num_classes": "2", "num_layers": "20", "mini_batch_size": "2", "epochs": "2"}
    card = run(**settings, num_training_samples="60200")
    assert "num_training_samples=60200, but a.rec holds 2 photos: using those" in caplog.text
    assert card["classes"] == ["0", "1"]
    assert card["photo"]["statistics"]["mean"] == [123.68, 116.779, 103.939]
    assert (job.model_dir / "image-classification-0001.params").exists()
    assert card["metrics"]["validation_accuracy"] is None
