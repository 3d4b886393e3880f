"""The loop: resumed anywhere it ends at the same weights; it stops in time, and freezes layers."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from contracts import TrainingError
from training.channels import Augmentation, Channel
from training.cluster import Cluster
from training.fit import Fit, Inputs
from training.hyperparameters import Hyperparameters
from training.networks import parameters

SETTINGS = {
    "image_shape": (3, 28, 28),
    "epochs": 3,
    "mini_batch_size": 8,
    "learning_rate": 0.02,
    "checkpoint_minutes": 0.0,
    "mixup": 0.2,
}


def small_network():
    """A convolution, a batch norm, dropout and a dense layer: each kind that has state."""
    network = nn.HybridSequential(prefix="net_")
    with network.name_scope():
        network.add(
            nn.Conv2D(4, 3, strides=2),
            nn.BatchNorm(),
            nn.Activation("relu"),
            nn.Conv2D(8, 3, strides=2),
            nn.BatchNorm(),
            nn.GlobalAvgPool2D(),
            nn.Dropout(0.3),
            nn.Dense(2),
        )
    mx.random.seed(7)
    network.initialize(mx.init.Xavier())
    network(mx.nd.zeros((1, 3, 28, 28)))
    return network


@pytest.fixture
def channel(pack, draw):
    """Forty photos, dark and light."""
    return Channel.open("train", pack([draw(n, 60 + 130 * (n % 2)) for n in range(40)]))


@pytest.fixture
def fit(channel, preparation, tmp_path):
    """A function that makes the training of a network, the same each time."""

    def make(
        *,
        folder="checkpoints",
        identity="",
        should_stop=lambda: False,
        cluster=None,
        tracker=None,
        **changes,
    ):
        settings = Hyperparameters(**SETTINGS | changes)
        network = small_network()
        augmentation = Augmentation.of("crop_color")
        inputs = Inputs(channel, channel, preparation, 2, augmentation)
        return Fit(
            network,
            settings,
            inputs,
            tmp_path / folder,
            identity=identity,
            should_stop=should_stop,
            cluster=cluster,
            tracker=tracker,
        )

    return make


def weights(fit):
    """Of the network, by name without what Gluon counts up for each network."""
    return {name: value.asnumpy() for name, value in parameters(fit.network).items()}


def after(batches):
    """A should_stop that says so behind so many batches."""
    left = iter(range(batches - 1))
    return lambda: next(left, None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adam", "learning_rate": 0.001},
        {"optimizer": "nag", "sampling": "balanced"},
        {"optimizer": "rmsprop", "learning_rate": 0.001, "lr_schedule": "plateau"},
        {"picture_sizes": ((28, 1), (28, 2)), "momentum": 0.0},
        {"weight_average": 0.9},
    ],
)
def test_a_resumed_training_ends_at_the_same_weights(fit, changes):
    """To the bit, within an epoch and between two, whatever the optimizer remembers."""
    whole = fit(folder="whole", **changes)
    whole.run()
    for batches in (1, 5, 7, 13):
        first = fit(folder=f"after {batches}", should_stop=after(batches), **changes)
        first.run()
        assert len(first.history) < 3
        second = fit(folder=f"after {batches}", **changes)
        second.run()
        assert_same_training(second, whole)


def test_the_average_of_the_weights_is_the_model(fit):
    """Each epoch is measured by it, and it is what the best epoch leaves; training goes on without.

    The steps, and so the losses that they find, are those of a training without an average.
    """
    plain, averaged = fit(folder="plain"), fit(folder="averaged", weight_average=0.9)
    plain.run()
    averaged.run()
    assert [e.train_loss for e in averaged.history] == [e.train_loss for e in plain.history]
    assert [e.validation_loss for e in averaged.history] != [
        e.validation_loss for e in plain.history
    ]
    for name, value in weights(plain).items():
        np.testing.assert_array_equal(weights(averaged)[name], value)
    best = averaged.best_parameters
    assert any((best[name] != plain.best_parameters[name]).any() for name in best)


def assert_same_training(found, expected):
    """Every weight, the curves, and which epoch was the best."""
    assert list(weights(found)) == list(weights(expected))
    for name, value in weights(expected).items():
        np.testing.assert_array_equal(weights(found)[name], value)
    figures = [
        [(e.train_loss, e.validation_accuracy) for e in f.history] for f in (found, expected)
    ]
    assert figures[0] == figures[1]
    assert found.best.number == expected.best.number


def test_another_jobs_checkpoint_is_refused(fit, channel):
    """Its weights would be taken for this one's."""
    fit(identity="another").run()
    with pytest.raises(TrainingError, match="other hyperparameters or other photos"):
        fit().run()


def test_a_training_that_is_over_does_not_go_on(fit):
    """Run again, it has nothing left to do."""
    fit().run()
    again = fit(should_stop=lambda: pytest.fail("a batch was trained on"))
    again.run()
    assert len(again.history) == 3
    assert again.best_parameters


def test_time_that_is_over_ends_the_epoch_under_way(fit):
    """Its weights compete like any other's, and the next one is not begun."""
    short = fit(max_minutes=1e-6)
    short.run()
    assert len(short.history) == 1
    assert short.best.number == 0


def test_frozen_layers_keep_their_weights_and_statistics(fit):
    """The head alone is trained, then all of it."""
    changes = {"pretrained": "x", "use_pretrained_model": True, "freeze_epochs": 2, "epochs": 2}
    frozen = fit(**changes)
    before = weights(frozen)
    frozen.run()
    changed = {name for name, value in weights(frozen).items() if (value != before[name]).any()}
    assert changed
    assert all("dense" in name for name in changed)
    thawed = fit(folder="thawed", **changes | {"freeze_epochs": 1})
    thawed.run()
    moved = {name for name, value in weights(thawed).items() if (value != before[name]).any()}
    assert any("running_mean" in name for name in moved)
    assert any("conv" in name for name in moved)


def test_held_statistics_stay_while_their_layers_learn(fit):
    """A few photos a batch tell less of all photos than what was learnt elsewhere."""
    held = fit(pretrained="x", use_pretrained_model=True, freeze_statistics=True)
    before = weights(held)
    held.run()
    moved = {name for name, value in weights(held).items() if (value != before[name]).any()}
    assert any("conv" in name for name in moved)
    assert not any("running" in name for name in moved)
    assert not any(
        layer._kwargs["use_global_stats"]
        for layer in held.network
        if isinstance(layer, nn.BatchNorm)
    )


def test_a_head_start_fits_before_the_first_step(fit):
    """A regression on the body's features, set as the last layer's weights."""
    started = fit(pretrained="x", use_pretrained_model=True, head_start=True, learning_rate=0.0)
    before = weights(started)
    started.run()
    changed = {name for name, value in weights(started).items() if (value != before[name]).any()}
    assert {name for name in changed if "running" not in name} == {
        "net_dense0_weight",
        "net_dense0_bias",
    }
    assert started.history[0].validation_accuracy > 0.9


def test_a_head_start_by_means_ends_in_the_layer_too(fit):
    """Another rule, other weights, and no bias."""
    settings = {"pretrained": "x", "use_pretrained_model": True, "head_start": True}
    started = fit(head_rule="means", learning_rate=0.0, **settings)
    before = weights(started)
    started.run()
    after_ = weights(started)
    assert (after_["net_dense0_weight"] != before["net_dense0_weight"]).all()
    assert not after_["net_dense0_bias"].any()


def test_a_resumed_training_has_no_second_head_start(fit, monkeypatch):
    """It would undo what was learnt."""
    settings = {"pretrained": "x", "use_pretrained_model": True, "head_start": True}
    fit(should_stop=after(7), **settings).run()
    monkeypatch.setattr("training.fit.start_head", lambda *_, **__: pytest.fail("again"))
    fit(**settings).run()


def test_a_body_of_its_own_rate_moves_less(fit):
    """body_lr_factor=0 leaves its weights where they were."""
    held = fit(body_lr_factor=0.0)
    before = weights(held)
    held.run()
    after_ = weights(held)
    moved = {n for n in before if (before[n] != after_[n]).any() and "running" not in n}
    assert all("dense" in name for name in moved)


def test_more_frozen_layers_than_there_are_is_told(fit):
    """With how many there are."""
    with pytest.raises(TrainingError, match="the network has 3 layers"):
        fit(pretrained="x", use_pretrained_model=True, frozen_layers=50)


def test_a_training_that_diverges_is_told(fit):
    """Before its weights are taken for the best."""
    diverging = fit(epochs=1)
    diverging.network[0].weight.data()[:] = np.inf
    with pytest.raises(TrainingError, match="no finite numbers"):
        diverging.run()


def test_a_stop_during_validation_loses_no_step(fit, channel):
    """SageMaker waits two minutes, a large validation channel takes longer: it is asked again."""
    whole = fit(folder="whole")
    whole.run()
    first = fit(should_stop=after(2 * (channel.photos // 8) + 1))
    first.run()
    assert [epoch.number for epoch in first.history] == [0]
    second = fit()
    second.run()
    for name, expected in weights(whole).items():
        np.testing.assert_array_equal(expected, weights(second)[name])
    assert [e.train_loss for e in second.history] == [e.train_loss for e in whole.history]


class OtherHost:
    """A meeting with one more host, which tells something of its own."""

    def __init__(self, tells):
        self._tells = tells

    def gathered(self, value):
        return [value, self._tells(value)]


@pytest.mark.parametrize(
    ("tells", "expected"),
    [
        (lambda value: "other" if isinstance(value, str) else value, "other hyperparameters"),
        (lambda value: [1, 4] if value == [0, 0] else value, r"epoch 0, batch 0.*epoch 1, batch 4"),
    ],
)
def test_hosts_that_would_take_other_steps_are_refused(fit, tells, expected):
    """Each would wait for the other for ever: other photos (ShardedByS3Key), other checkpoints."""
    with pytest.raises(TrainingError, match=expected) as caught:
        fit(identity="own", cluster=Cluster(_meeting=OtherHost(tells))).run()
    assert caught.value.hint


class Told:
    """A tracker that remembers what it is told."""

    def __init__(self):
        self.epochs = []

    def epoch(self, epoch):
        self.epochs.append(epoch.number)

    def close(self):
        """Nothing is held."""


def test_a_resumed_jobs_curves_begin_at_its_first_epoch(fit):
    """A new run's files are empty, and what the former wrote went with its machine."""
    fit(should_stop=after(7)).run()
    told = Told()
    fit(tracker=told).run()
    assert told.epochs == [0, 1, 2]
