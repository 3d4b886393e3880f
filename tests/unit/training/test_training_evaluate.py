"""Accuracy counts each photo once, however many there are."""

import mxnet as mx
import numpy as np
import pytest

from training.channels import Channel
from training.evaluate import BATCH_SIZE, Outputs, outputs


def brightness(data):
    """Logits of (dark, light) by a photo's mean; no network could be simpler."""
    mean = data.mean(axis=(1, 2, 3)).expand_dims(1)
    return mx.nd.concat(-mean, mean, dim=1)


@pytest.mark.parametrize(
    ("photos", "wrong"), [(1, 0), (1, 1), (3, 1), (BATCH_SIZE, 4), (BATCH_SIZE + 1, 1), (70, 7)]
)
def test_accuracy_is_the_share_of_right_verdicts(pack, draw, preparation, photos, wrong):
    """One photo, less than a batch, a batch, one more: what fills a last batch does not count."""
    levels = [40 + 170 * (number % 2) for number in range(photos)]
    labels = [number % 2 for number in range(photos)]
    # The last ones: those that a miscounted last batch would lose.
    labels[photos - wrong :] = [1 - label for label in labels[photos - wrong :]]
    drawn = [draw(number, level) for number, level in enumerate(levels)]
    channel = Channel.open("validation", pack(drawn, labels=labels))
    found = outputs(brightness, channel, 28, preparation)
    assert len(found.logits) == photos
    assert found.accuracy == pytest.approx((photos - wrong) / photos)


def test_loss_is_the_mean_surprise_at_the_labels():
    """In nats; finite for logits of any size."""
    logits = np.array([[0.0, 0.0], [1000.0, 0.0]])
    assert Outputs(logits, np.array([0.0, 0.0])).loss == pytest.approx(np.log(2) / 2)
    assert Outputs(logits, np.array([0.0, 1.0])).loss == pytest.approx((np.log(2) + 1000) / 2)


def test_several_labels_are_right_each_by_itself():
    """Yes above a logit of 0, no below."""
    found = Outputs(np.array([[2.0, -1.0, 3.0]]), np.array([[1.0, 0.0, 0.0]]))
    assert found.accuracy == pytest.approx(2 / 3)
    expected = np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(3))])
    assert found.loss == pytest.approx(expected)


def test_top_k_counts_labels_among_the_best():
    """A tie is no worse than the best of it."""
    found = Outputs(np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 2.0]]), np.array([1.0, 0.0]))
    assert [found.top_k_accuracy(k) for k in (1, 2, 3)] == [0.0, 1.0, 1.0]
