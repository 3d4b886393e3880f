"""dist_async: the optimizer that reaches the servers, as pickle hands it over."""

import pickle

import mxnet as mx
import pytest
from mxnet.gluon import nn

from training.cluster import Cluster
from training.fit import Fit, Inputs
from training.hyperparameters import Hyperparameters
from training.layers import LearningPlan
from training.optimizers import count_from, make_trainer
from training.schedules import learning_rate

HOSTS = Cluster(size=2, kvstore_kind="dist_async")
STEPS = 5


def at_a_server(trainer):
    """What MXNet's `set_optimizer` sends."""
    return pickle.loads(pickle.dumps(trainer.optimizer))  # noqa: S301 - our own


def network():
    """A body and a head."""
    found = nn.HybridSequential(prefix="net_")
    with found.name_scope():
        found.add(nn.Conv2D(2, 3), nn.GlobalAvgPool2D(), nn.Dense(2))
    found.initialize()
    found(mx.nd.zeros((1, 3, 28, 28)))
    return found


def test_servers_know_each_weights_rate_and_decay():
    """The body learns at its own rate, and biases are not pulled towards 0."""
    settings = Hyperparameters(body_lr_factor=0.25, lr_schedule="constant", weight_decay=0.5)
    net = network()
    LearningPlan(net, settings)
    for parameter in net.collect_params(".*bias").values():
        parameter.wd_mult = 0.0
    trainer = make_trainer(net, settings, HOSTS, STEPS)
    server = at_a_server(trainer)
    names = [parameter.name for parameter in trainer._params]
    found = {name: (server._get_lr(k), server._get_wd(k)) for k, name in enumerate(names)}
    assert found == {
        "net_conv0_weight": (0.025, 0.5),
        "net_conv0_bias": (0.025, 0.0),
        "net_dense0_weight": (0.1, 0.5),
        "net_dense0_bias": (0.1, 0.0),
    }


def test_servers_go_on_in_the_schedule():
    """In epoch 3, where the job was broken off, and not at the first epoch's rate."""
    settings = Hyperparameters(lr_decay=0.5)
    trainer = make_trainer(network(), settings, HOSTS, STEPS)
    count_from(trainer, 3 * STEPS * HOSTS.size)
    server = at_a_server(trainer)
    server._update_count(0)
    assert server._get_lr(0) == pytest.approx(learning_rate(settings, 3.1))
    assert server._index_update_count[0] == 3 * STEPS * HOSTS.size + 1


def test_a_training_that_goes_on_tells_servers_where_it_stands(pack, draw, preparation, tmp_path):
    """Every host's step counts there."""
    from training.channels import Augmentation, Channel

    channel = Channel.open("train", pack([draw(n, 60 + 130 * (n % 2)) for n in range(8)]))
    inputs = Inputs(channel, None, preparation, 2, Augmentation())
    settings = Hyperparameters(image_shape=(3, 28, 28), mini_batch_size=2, epochs=2)
    left = iter(range(5))
    stopped = Fit(
        network(), settings, inputs, tmp_path, should_stop=lambda: next(left, None) is None
    )
    stopped.run()
    assert (stopped._progress.epoch, stopped._progress.batch) == (1, 2)
    going_on = Fit(network(), settings, inputs, tmp_path, cluster=HOSTS)
    assert going_on._resumed()
    assert at_a_server(going_on._trainer).begin_num_update == (1 * 2 + 2) * 2
