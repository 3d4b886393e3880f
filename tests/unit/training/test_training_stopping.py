"""A job that is told to end before there is a model."""

import json

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from training.channels import Channel
from training.environment import Environment
from training.head_start import start_head
from training.job import train
from training.linear_heads import _regression
from training.networks import parameters
from training.stopping import StoppedError


class After:
    """Says to stop from some question on; as the signal does, for good."""

    def __init__(self, questions):
        self.left = questions

    def __call__(self):
        self.left -= 1
        return self.left < 0


def test_preparing_a_channel_ends_within_a_photo(empty_job, tmp_path, settings_of, draw):
    """It may take an hour, and there is nothing to keep."""
    job = empty_job(tmp_path)
    photos, lists = (job.folder / "input/data" / name for name in ("train", "train_lst"))
    photos.mkdir(parents=True)
    lists.mkdir()
    lines = [f"{number}\t{number % 2}\t{number}.png\n" for number in range(9)]
    (lists / "a.lst").write_text("".join(lines))
    for number in range(9):
        (photos / f"{number}.png").write_bytes(draw(number, size=(40, 30)))
    strings = settings_of(network="refund_cnn", num_classes=2)
    text = json.dumps({name: str(value) for name, value in strings.items()})
    (job.folder / "input/config/hyperparameters.json").write_text(text)
    should_stop = After(3)
    with pytest.raises(StoppedError, match="stopped while channel train was prepared"):
        train(Environment(job.folder, "", 1), should_stop)
    assert should_stop.left == -1


@pytest.fixture
def started(pack, draw, preparation):
    """A function that gives a new network a head start on 40 photos; returns the network."""
    folder = pack([draw(n, 60 + 130 * (n % 2)) for n in range(40)])
    channel = Channel.open("train", folder)
    network = nn.HybridSequential(prefix="net_")
    with network.name_scope():
        network.add(nn.Conv2D(4, 3, strides=2), nn.GlobalAvgPool2D(), nn.Dense(2))
    network.initialize()
    network(mx.nd.zeros((1, 3, 28, 28)))

    def start(should_stop):
        start_head(
            network, channel, preparation, 28, seed=0, balanced=False, should_stop=should_stop
        )
        return network

    start.network = network
    return start


@pytest.mark.parametrize("questions", [0, 1, 2])
def test_a_head_start_ends_within_a_batch(started, questions):
    """Before the first, between two, or before the regression; the head is as it was."""
    before = {name: value.asnumpy() for name, value in parameters(started.network).items()}
    with pytest.raises(StoppedError, match="stopped while its head start was worked out"):
        started(After(questions))
    after = parameters(started.network)
    assert all((after[name].asnumpy() == value).all() for name, value in before.items())


def test_a_regression_ends_between_its_rounds():
    """With many categories they take minutes; one that is left in peace finds the same as ever."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = random.normal(size=(60, 8)) * np.geomspace(1, 30, 8) + labels[:, None]
    with threadpool_limits(1):  # for so few photos threads wait for each other
        whole = LogisticRegression(C=0.01, max_iter=1000).fit(features, labels)
        found = _regression(features, labels, balanced=False, should_stop=lambda: False)
        with pytest.raises(StoppedError):
            _regression(features, labels, balanced=False, should_stop=After(1))
    assert whole.n_iter_.max() > 50
    assert np.allclose(found.predict_proba(features), whole.predict_proba(features), atol=0.01)
