"""A new head begins as a logistic regression on what the body makes of the photos.

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
from training.networks import PHOTO_CHANNELS, as_symbol, parameters

if TYPE_CHECKING:
    from photo import Preparation
    from training.channels import Channel

logger = logging.getLogger(__name__)

INVERSE_PENALTY = 0.01
"""scikit-learn's C, on standardised features. With 1,800 photos of 5 categories, 0.001 to 1 came
within 0.4 points of each other, 0.01 and 0.1 first."""

MOST_PHOTOS = 20_000
"""Drawn from more: what a head learns from them changes little after that."""

_BATCH_SIZE = 32
_ROUNDS, _ROUNDS_OF_MANY, _MANY = 1000, 50, 200
"""The regression's; with more than so many categories each is dear, and training goes on anyway."""

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
) -> None:
    """Set the last dense layer's weights.

    Args:
        network: with the body's weights.
        channel: to train on; single labels.
        preparation: of its photos.
        size: of pictures, in pixels.
        seed: of the photos that are drawn where there are more than MOST_PHOTOS.
        balanced: whether all categories count alike, however many photos they have.

    Raises:
        TrainingError: all photos are of one category.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    chosen = np.random.default_rng(seed).permutation(channel.photos)[:MOST_PHOTOS]
    labels = channel.labels[chosen]
    if len(np.unique(labels)) == 1:
        raise TrainingError(
            "hyperparameter head_start=1: all photos to train on are of one category",
            hint="leave it out",
        )
    scale = StandardScaler()
    features = scale.fit_transform(_features(network, channel, preparation, size, chosen))
    weight = "balanced" if balanced else None
    rounds = _ROUNDS if len(np.unique(labels)) <= _MANY else _ROUNDS_OF_MANY
    logger.info("A regression on %d photos is what the head begins with", len(labels))
    found = LogisticRegression(C=INVERSE_PENALTY, max_iter=rounds, class_weight=weight)
    found.fit(features, labels)
    logger.info(
        "The head begins with an accuracy of %f on %d photos",
        found.score(features, labels),
        len(labels),
    )
    _set(network, found, scale)


def _features(
    network: Any, channel: Channel, preparation: Preparation, size: int, chosen: Any
) -> Any:
    """(N, F): what goes into the last dense layer."""
    from training.channels import Augmentation

    body = _bound_body(network, size)
    batches = channel.epoch(
        size, preparation, _BATCH_SIZE, order=chosen, augmentation=Augmentation(), seed=0
    )
    found = [body.forward(data=batch.data)[0].asnumpy() for batch in batches]
    return np.concatenate(found).reshape(len(found) * _BATCH_SIZE, -1)[: len(chosen)]


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


def _set(network: Any, found: Any, scale: Any) -> None:
    """Give the layer the regression's weights, the features' scale folded in."""
    rows, offsets = found.coef_, found.intercept_
    if len(rows) == 1:  # of two classes scikit-learn keeps the difference
        rows, offsets = np.vstack([-rows, rows]) / 2, np.hstack([-offsets, offsets]) / 2
    rows = rows / scale.scale_
    offsets = offsets - rows @ scale.mean_
    _, *names = (child.name for child in as_symbol(network).get_children())
    layer = [network.collect_params()[name] for name in names]
    weight = np.zeros(layer[0].shape, np.float32)
    bias = np.full(len(weight), offsets.min() - _NEVER, np.float32)
    weight[found.classes_], bias[found.classes_] = rows, offsets
    for parameter, values in zip(layer, (weight, bias), strict=True):
        parameter.set_data(mx.nd.array(values))
