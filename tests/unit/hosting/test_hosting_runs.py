"""Pictures that come while the network is busy go through it together, in the next run."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from hosting.metrics import Metrics
from hosting.model import Answer
from hosting.runs import Runs


class Network:
    """Answers a picture by its first value, when it is let; remembers how many came together."""

    def __init__(self):
        self.batches = []
        self.entered, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def answers(self, arrays, **_):
        self.batches.append(len(arrays))
        self.entered.release()
        assert self.gate.acquire(timeout=30)
        if (arrays < 0).any():
            raise ValueError("a negative picture")
        return [Answer(row[:1].tolist()) for row in arrays]


@pytest.fixture
def network():
    """A network that waits to be let."""
    return Network()


@pytest.fixture
def runs(network):
    """Its runs, of four pictures at most."""
    return Runs(network, Metrics(), 4)


def pictures(*values):
    return np.array([[value] for value in values], np.float32)


def told(future):
    return [answer.probabilities[0] for answer in future.result(timeout=30)]


def busy(network, runs):
    """The first picture is in the network, which stays there until it is let."""
    first = runs.submit(pictures(0))
    assert network.entered.acquire(timeout=30)
    return first


def test_a_lone_picture_goes_at_once(network, runs):
    """It is in the network without another that it could wait for."""
    first = busy(network, runs)
    network.gate.release()
    assert told(first) == [0]
    assert network.batches == [1]


def test_what_comes_during_a_run_goes_together_in_the_next(network, runs):
    """As many as fit, whole requests, in their order; the rest waits for the one after."""
    first = busy(network, runs)
    others = [runs.submit(pictures(1)), runs.submit(pictures(2, 3)), runs.submit(pictures(4, 5))]
    network.gate.release(3)
    assert told(first) == [0]
    assert [told(each) for each in others] == [[1], [2, 3], [4, 5]]
    assert network.batches == [1, 3, 2]


def test_a_request_with_more_pictures_than_a_run_takes_goes_alone(network, runs):
    """It is not cut: its parts were made to fit."""
    first = busy(network, runs)
    large = runs.submit(pictures(*range(6)))
    network.gate.release(2)
    assert told(first) == [0]
    assert told(large) == [0, 1, 2, 3, 4, 5]


def test_a_picture_that_fails_does_not_harm_its_neighbours(network, runs):
    """Those of the failed run are asked alone."""
    busy(network, runs)
    good, bad = runs.submit(pictures(1)), runs.submit(pictures(-1))
    network.gate.release(4)
    assert told(good) == [1]
    (outcome,) = bad.result(timeout=30)
    assert isinstance(outcome, ValueError)
    assert network.batches == [1, 2, 1, 1]


def test_what_nobody_waits_for_any_more_is_left_out(network, runs):
    """The place is another's."""
    busy(network, runs)
    gone, other = runs.submit(pictures(1)), runs.submit(pictures(2))
    assert gone.cancel()
    network.gate.release(2)
    assert told(other) == [2]
    assert network.batches == [1, 1]


def test_pictures_that_cannot_be_joined_are_told_to_all_who_wait(network, runs):
    """No request waits for ever for a run that could not begin."""
    busy(network, runs)
    futures = [runs.submit(pictures(1)), runs.submit(np.zeros((1, 7), np.float32))]
    network.gate.release()
    for future in futures:
        with pytest.raises(ValueError, match="dimensions"):
            future.result(timeout=30)


def test_the_queue_is_told_while_it_waits():
    """Pictures, not requests; nothing is left when all have been taken."""
    metrics, network = Metrics(), Network()
    runs = Runs(network, metrics, 4)
    busy(network, runs)
    waiting = runs.submit(pictures(1, 2, 3))
    value = metrics.registry.get_sample_value
    assert value("snapshelf_queue_photos") == 3
    network.gate.release(2)
    waiting.result(timeout=30)
    assert value("snapshelf_queue_photos") == 0
    assert value("snapshelf_batch_photos_sum") == 4
    assert value("snapshelf_model_seconds_count") == 2


def test_a_models_thread_ends_with_it():
    """A model that was replaced leaves nothing behind."""
    answering = SimpleNamespace(answers=lambda arrays, **_: arrays)
    runs = Runs(answering, Metrics(), 4)
    runs.submit(pictures(1)).result(timeout=30)
    (thread,) = runs._thread._threads
    del runs
    thread.join(timeout=30)
    assert not thread.is_alive()
