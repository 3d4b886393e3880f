"""A new head begins with what it can learn at once from what the body makes of the photos.

A head that was drawn at random sends large, wrong gradients into a body that has learnt much. One
that fits already does not: "linear probing, then fine-tuning" (Kumar et al. 2022) is more accurate
than either, on photos from elsewhere above all. It costs one look at every photo, unchanged.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np

from contracts import TrainingError
from training.linear_heads import (
    MEANS,
    REGRESSION,
    LinearHead,
    check_wanted,
    class_means,
    regression,
)
from training.networks import PHOTO_CHANNELS, as_symbol, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from photo import Preparation
    from training.channels import Batch, Channel

logger = logging.getLogger(__name__)

MOST_PHOTOS = 20_000
"""Drawn from more: what a head learns from them changes little after that."""

_BATCH_SIZE = 32
_TOLD = {REGRESSION: "A regression", MEANS: "Each category's mean direction"}

_NEVER = 10.0
"""How far below every other a category's bias is put of which there is no photo."""


def start_head(
    network: Any,
    channel: Channel,
    preparation: Preparation,
    size: int,
    *,
    seed: int,
    balanced: bool,
    rule: str = REGRESSION,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Set the last dense layer's weights.

    Args:
        network: with the body's weights.
        channel: to train on; single labels.
        preparation: of its photos.
        size: of pictures, in pixels.
        seed: of the photos that are drawn where there are more than MOST_PHOTOS.
        balanced: whether all categories count alike, however many photos they have.
        rule: REGRESSION or MEANS.
        should_stop: asked behind every batch of photos, and between rounds of the regression.

    Raises:
        TrainingError: all photos are of one category.
        StoppedError: `should_stop` says so.
    """
    from training.channels import Augmentation

    chosen = np.random.default_rng(seed).permutation(channel.photos)[:MOST_PHOTOS]
    labels = channel.labels[chosen]
    if len(np.unique(labels)) == 1:
        raise TrainingError(
            "hyperparameter head_start=1: all photos to train on are of one category",
            hint="leave it out",
        )
    batches = channel.epoch(
        size, preparation, _BATCH_SIZE, order=chosen, augmentation=Augmentation(), seed=0
    )
    features = _features(_bound_body(network, size), batches, len(chosen), should_stop)
    logger.info("%s on %d photos is what the head begins with", _TOLD[rule], len(labels))
    if rule == MEANS:
        head = class_means(features, labels)
    else:
        head = regression(features, labels, balanced=balanced, should_stop=should_stop)
    logger.info(
        "The head begins with an accuracy of %f on %d photos",
        head.accuracy(features, labels),
        len(labels),
    )
    _set(network, head)


def _features(
    body: Any, batches: Iterable[Batch], photos: int, should_stop: Callable[[], bool]
) -> Any:
    """(N, F): what goes into the last dense layer."""
    found = []
    for batch in batches:
        check_wanted(should_stop)
        found.append(body.forward(data=batch.data)[0].asnumpy())
    return np.concatenate(found).reshape(len(found) * _BATCH_SIZE, -1)[:photos]


def _bound_body(network: Any, size: int) -> Any:
    """The network without its last dense layer, ready for batches of _BATCH_SIZE."""
    before, *_ = as_symbol(network).get_children()
    shape = (_BATCH_SIZE, PHOTO_CHANNELS, size, size)
    bound = before.simple_bind(mx.cpu(), grad_req="null", data=shape)
    weights = parameters(network)
    for name, array in (bound.arg_dict | bound.aux_dict).items():
        if name != "data":
            array[:] = weights[name]
    return bound


def _set(network: Any, head: LinearHead) -> None:
    """Give the last layer the head's weights; a category that it does not know never wins."""
    _, *names = (child.name for child in as_symbol(network).get_children())
    layer = [network.collect_params()[name] for name in names]
    weight = np.zeros(layer[0].shape, np.float32)
    bias = np.full(len(weight), head.bias.min() - _NEVER, np.float32)
    weight[head.classes], bias[head.classes] = head.weight, head.bias
    for parameter, values in zip(layer, (weight, bias), strict=True):
        parameter.set_data(mx.nd.array(values))
