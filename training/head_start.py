"""A new head begins as a logistic regression on what the body makes of the photos.

A head that was drawn at random sends large, wrong gradients into a body that has learnt much. One
that fits already does not: "linear probing, then fine-tuning" (Kumar et al. 2022) is more accurate
than either, on photos from elsewhere above all. It costs one look at every photo, unchanged.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np

from contracts import TrainingError
from training.networks import PHOTO_CHANNELS, as_symbol, parameters
from training.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from photo import Preparation
    from training.channels import Batch, Channel

logger = logging.getLogger(__name__)

INVERSE_PENALTY = 0.01
"""scikit-learn's C, on standardised features. With 1,800 photos of 5 categories, 0.001 to 1 came
within 0.4 points of each other, 0.01 and 0.1 first."""

MOST_PHOTOS = 20_000
"""Drawn from more: what a head learns from them changes little after that."""

_BATCH_SIZE = 32
_ROUNDS, _ROUNDS_OF_MANY, _MANY = 1000, 50, 200
"""The regression's; with more than so many categories each is dear, and training goes on anyway."""

_ROUNDS_AT_ONCE = 50
"""Between two looks whether to stop; with the most photos and categories half a minute's work."""

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
        should_stop: asked behind every batch of photos, and between rounds of the regression.

    Raises:
        TrainingError: all photos are of one category.
        StoppedError: `should_stop` says so.
    """
    from sklearn.preprocessing import StandardScaler

    from training.channels import Augmentation

    chosen = np.random.default_rng(seed).permutation(channel.photos)[:MOST_PHOTOS]
    labels = channel.labels[chosen]
    if len(np.unique(labels)) == 1:
        raise TrainingError(
            "hyperparameter head_start=1: all photos to train on are of one category",
            hint="leave it out",
        )
    scale = StandardScaler()
    batches = channel.epoch(
        size, preparation, _BATCH_SIZE, order=chosen, augmentation=Augmentation(), seed=0
    )
    body = _bound_body(network, size)
    features = scale.fit_transform(_features(body, batches, len(chosen), should_stop))
    logger.info("A regression on %d photos is what the head begins with", len(labels))
    found = _regression(features, labels, balanced=balanced, should_stop=should_stop)
    logger.info(
        "The head begins with an accuracy of %f on %d photos",
        found.score(features, labels),
        len(labels),
    )
    _set(network, found, scale)


def _regression(
    features: Any, labels: Any, *, balanced: bool, should_stop: Callable[[], bool]
) -> Any:
    """A fitted scikit-learn LogisticRegression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rounds = _ROUNDS if len(np.unique(labels)) <= _MANY else _ROUNDS_OF_MANY
    found = LogisticRegression(
        C=INVERSE_PENALTY,
        max_iter=_ROUNDS_AT_ONCE,
        class_weight="balanced" if balanced else None,
        warm_start=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from there
        for _ in range(0, rounds, _ROUNDS_AT_ONCE):
            _check_wanted(should_stop)
            found.fit(features, labels)
            if found.n_iter_.max() < _ROUNDS_AT_ONCE:
                break
    return found


def _check_wanted(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise StoppedError("the job was stopped while its head start was worked out")


def _features(
    body: Any, batches: Iterable[Batch], photos: int, should_stop: Callable[[], bool]
) -> Any:
    """(N, F): what goes into the last dense layer."""
    found = []
    for batch in batches:
        _check_wanted(should_stop)
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
