"""Pictures that come while the network is busy go through it together, in the next run."""

import gc
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from contracts import PhotoError
from hosting.metrics import Metrics
from hosting.model import Answer
from hosting.runs import Runs


class Network:
    """Answers a picture by its first value, when it is let; remembers what came together, where."""

    def __init__(self):
        self.batches, self.threads = [], []
        self.entered, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def answers(self, arrays, **_):
        self.batches.append(len(arrays))
        self.threads.append(threading.current_thread())
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


@pytest.fixture
def elsewhere():
    """A thread beside the test's own."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


def pictures(*values):
    return [np.array([[value]], np.float32) for value in values]


def run(runs, *decoded):
    """Put in line in this thread, which must not be the one that runs them unless it is let."""
    outcomes = Future()
    runs.run(decoded, outcomes)
    return outcomes


def told(future):
    return [answer.probabilities[0] for answer in future.result(timeout=30)]


@pytest.fixture
def busy(network, runs, elsewhere):
    """The first picture is in the network, which stays there until it is let: its future."""
    first = Future()
    elsewhere.submit(runs.run, pictures(0), first)
    assert network.entered.acquire(timeout=30)
    yield first
    network.gate.release(100)


def test_a_lone_picture_is_run_by_who_brings_it(network, runs):
    """At once, in the same thread, without another that it could wait for."""
    network.gate.release()
    assert told(run(runs, *pictures(0))) == [0]
    assert network.batches == [1]
    assert network.threads == [threading.current_thread()]


def test_what_comes_during_a_run_goes_together_in_the_next(network, runs, busy):
    """As many as fit, whole requests, in their order; the rest waits for the one after."""
    others = [run(runs, *pictures(*each)) for each in ([1], [2, 3], [4, 5])]
    network.gate.release(3)
    assert told(busy) == [0]
    assert [told(each) for each in others] == [[1], [2, 3], [4, 5]]
    assert network.batches == [1, 3, 2]


def test_who_runs_the_network_takes_what_came_meanwhile_along(network, runs, busy):
    """Whoever brought it is free to decode the next photo, and does not wait."""
    other = run(runs, *pictures(1))
    assert not other.done()
    network.gate.release(2)
    assert told(other) == [1]
    assert network.threads == [network.threads[0]] * 2


def test_what_comes_as_a_run_ends_is_not_forgotten(network):
    """Of many threads that bring pictures without a pause each is told of its own."""
    network.gate.release(10_000)
    runs = Runs(network, Metrics(), 4)
    with ThreadPoolExecutor(8) as threads:
        futures = [Future() for _ in range(500)]
        for value, future in enumerate(futures):
            threads.submit(runs.run, pictures(value), future)
        assert [told(each) for each in futures] == [[value] for value in range(500)]


def test_a_photo_that_is_none_keeps_its_place(network, runs):
    """What is wrong with it stands between the answers to its neighbours."""
    fault = PhotoError("no photo")
    network.gate.release()
    one, between, two = run(runs, pictures(1)[0], fault, pictures(2)[0]).result(timeout=30)
    assert (one.probabilities, between, two.probabilities) == ([1], fault, [2])


def test_photos_that_are_none_do_not_wait_for_the_network(runs, busy):
    """They are told at once, while it is busy."""
    fault = PhotoError("no photo")
    assert run(runs, fault, fault).result(timeout=0) == [fault, fault]
    assert not busy.done()


def test_a_request_with_more_pictures_than_a_run_takes_goes_alone(network, runs, busy):
    """It is not cut: its parts were made to fit."""
    large = run(runs, *pictures(*range(6)))
    network.gate.release(2)
    assert told(large) == [0, 1, 2, 3, 4, 5]
    assert network.batches == [1, 6]


def test_a_picture_that_fails_does_not_harm_its_neighbours(network, runs, busy):
    """Those of the failed run are asked alone."""
    good, bad = run(runs, *pictures(1)), run(runs, *pictures(-1))
    network.gate.release(4)
    assert told(good) == [1]
    (outcome,) = bad.result(timeout=30)
    assert isinstance(outcome, ValueError)
    assert network.batches == [1, 2, 1, 1]


def test_what_nobody_waits_for_any_more_is_left_out(network, runs, busy):
    """The place is another's."""
    gone, other = run(runs, *pictures(1)), run(runs, *pictures(2))
    assert gone.cancel()
    network.gate.release(2)
    assert told(other) == [2]
    assert network.batches == [1, 1]


def test_pictures_that_cannot_be_joined_are_told_to_all_who_wait(network, runs, busy):
    """No request waits for ever for a run that could not begin."""
    futures = [run(runs, *pictures(1)), run(runs, np.zeros((1, 7), np.float32))]
    network.gate.release()
    for future in futures:
        with pytest.raises(ValueError, match="dimensions"):
            future.result(timeout=30)


def test_the_queue_is_told_while_it_waits(network, elsewhere):
    """Pictures, not requests; nothing is left when all have been taken."""
    metrics = Metrics()
    runs = Runs(network, metrics, 4)
    elsewhere.submit(runs.run, pictures(0), Future())
    assert network.entered.acquire(timeout=30)
    waiting = run(runs, *pictures(1, 2, 3))
    value = metrics.registry.get_sample_value
    assert value("snapshelf_queue_photos") == 3
    network.gate.release(2)
    waiting.result(timeout=30)
    assert value("snapshelf_queue_photos") == 0
    assert value("snapshelf_batch_photos_sum") == 4
    assert value("snapshelf_model_seconds_count") == 2


def test_a_replaced_model_is_let_go(network):
    """Nothing keeps its weights when the last of its runs is over."""
    network.gate.release()
    runs = Runs(network, Metrics(), 4)
    told(run(runs, *pictures(1)))
    gone = weakref.ref(runs)
    del runs
    gc.collect()
    assert gone() is None
