"""Hyperparameters: SageMaker's names, ranges and defaults, and messages that say what to write."""

import pytest

from contracts import TrainingError
from training.hyperparameters import Hyperparameters


def test_defaults_are_those_of_sagemakers_image_classification():
    """A job that sets nothing gets what the developer guide's table says."""
    settings = Hyperparameters.parse({})
    assert settings.num_layers == 152
    assert settings.image_shape == (3, 224, 224)
    assert (settings.epochs, settings.mini_batch_size) == (30, 32)
    assert (settings.optimizer, settings.learning_rate) == ("sgd", 0.1)
    assert (settings.momentum, settings.weight_decay) == (0.9, 0.0001)
    assert settings.augmentation_type == "none"


def test_strings_become_what_they_say():
    """Every value arrives as a string, with spaces now and then."""
    settings = Hyperparameters.parse(
        {
            "num_classes": "5",
            "num_training_samples": "60200",
            "num_layers": " 34 ",
            "image_shape": "3, 112, 112",
            "epochs": "6",
            "mini_batch_size": "128",
            "optimizer": "sgd",
            "learning_rate": "1e-2",
            "momentum": "0",
            "weight_decay": "1",
            "augmentation_type": "crop_color_transform",
            "lr_schedule": "constant",
            "lr_decay": "0.1",
            "picture_sizes": "28:4,112:2",
            "threshold": "0.8",
            "seed": "7",
        }
    )
    assert settings == Hyperparameters(
        num_classes=5,
        num_training_samples=60200,
        num_layers=34,
        image_shape=(3, 112, 112),
        epochs=6,
        mini_batch_size=128,
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.0,
        weight_decay=1.0,
        augmentation_type="crop_color_transform",
        lr_schedule="constant",
        lr_decay=0.1,
        picture_sizes=((28, 4), (112, 2)),
        threshold=0.8,
        seed=7,
    )


@pytest.mark.parametrize("layers", [18, 34, 50, 101, 152])
def test_every_offered_depth_is_taken(layers):
    """The depths for large pictures."""
    assert Hyperparameters.parse({"num_layers": str(layers)}).num_layers == layers


@pytest.mark.parametrize("name", ["none", "crop", "crop_color", "crop_color_transform"])
def test_every_augmentation_is_taken(name):
    """SageMaker's three, and none."""
    assert Hyperparameters.parse({"augmentation_type": name}).augmentation_type == name


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("num_layers", "35", r"one of \(18, 34"),
        ("num_layers", "18.0", "an integer"),
        ("num_layers", "", "an integer"),
        ("num_classes", "-1", "an integer above 0"),
        ("num_training_samples", "many", "an integer"),
        ("epochs", "0", "an integer above 0"),
        ("mini_batch_size", "0", "an integer above 0"),
        ("learning_rate", "1.01", "a number from 0 to 1"),
        ("learning_rate", "-0.1", "a number from 0 to 1"),
        ("learning_rate", "nan", "a number from 0 to 1"),
        ("learning_rate", "inf", "a number from 0 to 1"),
        ("learning_rate", "0,1", "a number"),
        ("momentum", "2", "a number from 0 to 1"),
        ("weight_decay", "2", "a number from 0 to 1"),
        ("threshold", "50", "a number from 0 to 1"),
        ("optimizer", "SGD", "one of sgd"),
        ("augmentation_type", "flip", "one of none, crop, crop_color, crop_color_transform"),
        ("lr_schedule", "cosine", "one of exponential, constant"),
        ("epoch_photos", "-1", "an integer of 0 or more"),
        ("stem_pooling", "0", "1, or as much as leaves 28"),
        ("stem_pooling", "9", "1, or as much as leaves 28 of the picture's 224 pixels"),
        ("image_shape", "3,112", "channels,height,width, as in 3,112,112"),
        ("image_shape", "112", "channels,height,width, as in 3,112,112"),
        ("image_shape", "1,28,28", "3,SIZE,SIZE"),
        ("image_shape", "3,112,96", "3,SIZE,SIZE"),
        ("image_shape", "3,27,27", "SIZE from 28 to 1024"),
        ("image_shape", "3,1025,1025", "SIZE from 28 to 1024"),
        ("picture_sizes", "112", "size:epochs pairs"),
        ("picture_sizes", "28:4,224:2", "add up to epochs=30"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name, text, expected):
    """The message holds the hyperparameter, and what to write in its place."""
    with pytest.raises(TrainingError, match=rf"hyperparameter {name}=.*{expected}") as caught:
        Hyperparameters.parse({name: text})
    assert caught.value.hint


def test_an_unknown_name_is_refused_with_the_known_ones():
    """A misspelt hyperparameter is not passed over in silence."""
    with pytest.raises(TrainingError, match="unknown hyperparameter 'epoch'") as caught:
        Hyperparameters.parse({"epoch": "3"})
    assert "epochs" in caught.value.hint


@pytest.mark.parametrize(
    "pairs", ["28:4,56:2", "28:4,112:3", "27:4,112:2", "28:6,112:0", "28:-1,112:7"]
)
def test_picture_sizes_must_fill_the_epochs_and_end_at_the_full_size(pairs):
    """The last size is the endpoint's, the epochs add up, and each pair is in range."""
    with pytest.raises(TrainingError, match="picture_sizes"):
        Hyperparameters.parse({"picture_sizes": pairs, "image_shape": "3,112,112", "epochs": "6"})


def test_each_epoch_has_its_picture_size():
    """By default the image_shape's, or what picture_sizes says, in its order."""
    plain = Hyperparameters.parse({"image_shape": "3,28,28", "epochs": "3"})
    growing = {"picture_sizes": "28:2,112:1", "image_shape": "3,112,112", "epochs": "3"}
    assert plain.sizes == (28, 28, 28)
    assert Hyperparameters.parse(growing).sizes == (28, 28, 112)
