"""Hyperparameters: SageMaker's names, ranges and defaults, and messages that say what to write."""

import pytest

from contracts import TrainingError
from training.hyperparameters import Hyperparameters
from training.settings import rules


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
            "lr_schedule": "exponential",
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
        lr_schedule="exponential",
        lr_decay=0.1,
        picture_sizes=((28, 4), (112, 2)),
        threshold=0.8,
        seed=7,
    )


@pytest.mark.parametrize("layers", [18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110])
def test_every_offered_depth_is_taken(layers):
    """Those for photos, and those for pictures of 28 x 28 and the like."""
    assert Hyperparameters.parse({"num_layers": str(layers)}).num_layers == layers


@pytest.mark.parametrize("name", ["none", "crop", "crop_color", "crop_color_transform"])
def test_every_augmentation_is_taken(name):
    """SageMaker's three, and none."""
    assert Hyperparameters.parse({"augmentation_type": name}).augmentation_type == name


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("num_layers", "35", "one of 18, 34"),
        ("num_layers", "18.0", "one of 18, 34"),
        ("num_layers", "", "one of 18, 34"),
        ("num_classes", "-1", "an integer of 0 or more"),
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
        ("lr_schedule", "linear", "one of exponential, constant"),
        ("epoch_photos", "-1", "an integer of 0 or more"),
        ("stem_pooling", "0", "an integer above 0"),
        ("stem_pooling", "9", "1, or as much as leaves 28 of the picture's 224 pixels"),
        ("image_shape", "3,112", "channels,height,width, as in 3,112,112"),
        ("image_shape", "112", "channels,height,width, as in 3,112,112"),
        ("image_shape", "2,28,28", "3,SIZE,SIZE or 1,SIZE,SIZE"),
        ("resize", "100", "224 or more"),
        ("resize", "-1", "an integer of 0 or more"),
        ("lr_scheduler_step", "20,10", "epochs that rise"),
        ("lr_scheduler_step", "0,10", "epochs that rise"),
        ("lr_scheduler_step", "ten", "epochs, as in 10,20"),
        ("lr_schedule", "step", "epochs that rise"),
        ("lr_scheduler_factor", "1.5", "a number from 0 to 1"),
        ("beta_1", "2", "a number from 0 to 1"),
        ("early_stopping", "yes", "1 or 0, True or False"),
        ("early_stopping_patience", "0", "an integer above 0"),
        ("use_pretrained_model", "2", "1 or 0, True or False"),
        ("checkpoint_frequency", "31", "epochs at most"),
        ("kv_store", "local", "one of dist_sync, dist_async"),
        ("precision_dtype", "bfloat16", "one of float32, float16"),
        ("top_k", "1", "an integer above 1"),
        ("label_smoothing", "1", "a number from 0 to 0.9"),
        ("rotation", "181", "a number from 0 to 180"),
        ("padding", "65", "an integer from 0 to 64"),
        ("weight_average", "1", "a number from 0 to 0.9999"),
        ("seed", "1073741824", "an integer from 0 to 1073741823"),
        ("image_shape", "3,112,96", "3,SIZE,SIZE"),
        ("image_shape", "3,27,27", "SIZE from 28 to 1024"),
        ("image_shape", "3,1025,1025", "SIZE from 28 to 1024"),
        ("picture_sizes", "112", "size:epochs pairs"),
        ("picture_sizes", "28:4,224:2", "add up to epochs=30"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name, text, expected):
    """The message holds the hyperparameter, and what to write in its place."""
    # What a choice of "step" lacks is the other setting.
    told = "lr_scheduler_step" if (name, text) == ("lr_schedule", "step") else name
    with pytest.raises(TrainingError, match=rf"hyperparameter {told}=.*{expected}") as caught:
        Hyperparameters.parse({name: text})
    assert caught.value.hint


def test_a_job_of_the_built_in_algorithm_is_taken_whole():
    """Every name of its table, as its own examples write them, each with another value."""
    table = {
        "num_classes": "257",
        "num_training_samples": "15420",
        "num_layers": "18",
        "image_shape": "3,224,224",
        "resize": "256",
        "epochs": "12",
        "mini_batch_size": "128",
        "optimizer": "adam",
        "learning_rate": "0.01",
        "lr_scheduler_factor": "0.5",
        "lr_scheduler_step": "5,10",
        "momentum": "0.8",
        "weight_decay": "0.001",
        "beta_1": "0.8",
        "beta_2": "0.99",
        "eps": "1e-7",
        "gamma": "0.8",
        "augmentation_type": "crop_color_transform",
        "use_pretrained_model": "1",
        "multi_label": "1",
        "use_weighted_loss": "1",
        "early_stopping": "True",
        "early_stopping_min_epochs": "3",
        "early_stopping_patience": "2",
        "early_stopping_tolerance": "0.01",
        "checkpoint_frequency": "4",
        "kv_store": "dist_sync",
        "precision_dtype": "float16",
        "top_k": "2",
        "_tuning_objective_metric": "validation:accuracy",
    }
    settings, plain = Hyperparameters.parse(table), Hyperparameters()
    builtin = {name for name, (rule, _) in rules(Hyperparameters).items() if rule.builtin}
    assert builtin == {name for name in table if not name.startswith("_")}
    unchanged = [n for n in builtin if getattr(settings, n) == getattr(plain, n)]
    assert unchanged == ["image_shape"]
    assert settings.lr_schedule == "step"


def test_pretrained_weights_are_used_where_they_are_named():
    """`pretrained` alone is enough."""
    assert Hyperparameters.parse({"pretrained": "efficientnet-lite0"}).use_pretrained_model


def test_an_unknown_name_is_refused_with_the_known_ones():
    """A misspelt hyperparameter is not passed over in silence."""
    with pytest.raises(TrainingError, match="unknown hyperparameter 'epoch'") as caught:
        Hyperparameters.parse({"epoch": "3"})
    assert "epochs" in caught.value.hint


@pytest.mark.parametrize(
    "pairs", ["28:4,56:2", "28:4,112:3", "7:4,112:2", "28:6,112:0", "28:-1,112:7"]
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


def test_the_first_epochs_may_have_smaller_pictures_than_a_model():
    """A network for 28 pixels that takes 20 too begins there."""
    growing = {"picture_sizes": "20:2,28:1", "image_shape": "1,28,28", "epochs": "3"}
    assert Hyperparameters.parse(growing).sizes == (20, 20, 28)
