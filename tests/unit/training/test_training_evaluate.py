"""Accuracy counts each photo once, however many there are."""

import mxnet as mx
import pytest

from training.channels import Channel
from training.evaluate import BATCH_SIZE, accuracy


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
    found = accuracy(brightness, channel, 28, preparation)
    assert found == pytest.approx((photos - wrong) / photos)
