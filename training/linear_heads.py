"""Two linear classifiers of what a network's body makes of photos, fitted in one go.

A logistic regression knows best what tells the photos at hand apart, and that includes where each
category's photos come from. The mean direction of each category (nearest class mean: Mensink et al.
2013) knows what its photos have in common, and no more: it is less accurate on photos of the same
sources, and more on others.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from training.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

REGRESSION, MEANS = "regression", "means"

INVERSE_PENALTY = 0.01
"""scikit-learn's C, on standardised features. With 1,800 photos of 5 categories, 0.001 to 1 came
within 0.4 points of each other, 0.01 and 0.1 first."""

SHARPNESS = 30.0
"""What a cosine between a photo and a category is multiplied by; validation photos calibrate it."""

_ROUNDS, _ROUNDS_OF_MANY, _MANY = 1000, 50, 200
"""The regression's; with more than so many categories each is dear, and training goes on anyway."""

_ROUNDS_AT_ONCE = 50
"""Between two looks whether to stop; with the most photos and categories half a minute's work."""


class LinearHead(NamedTuple):
    """Features (N, F) to logits, features @ weight.T + bias.

    Attributes:
        classes: (K,) integers: the categories of which there were photos.
        weight: (K, F).
        bias: (K,).
    """

    classes: Any
    weight: Any
    bias: Any

    def accuracy(self, features: Any, labels: Any) -> float:
        """The share, 0..1, of photos whose best category is their label."""
        best = (features @ self.weight.T + self.bias).argmax(axis=1)
        return float((self.classes[best] == labels).mean())


def class_means(features: Any, labels: Any) -> LinearHead:
    """Each category by the mean direction of its photos' features.

    The best category of a photo is the one with the greatest cosine, whatever the length of its
    features; all categories count alike, however many photos they have.

    Args:
        features: (N, F).
        labels: (N,) integers.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions = features / np.maximum(lengths, np.finfo(np.float32).tiny)
    classes = np.unique(labels)
    means = np.stack([directions[labels == each].mean(axis=0) for each in classes])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return LinearHead(classes, means * (SHARPNESS / lengths.mean()), np.zeros(len(classes)))


def regression(
    features: Any, labels: Any, *, balanced: bool, should_stop: Callable[[], bool]
) -> LinearHead:
    """scikit-learn's LogisticRegression on standardised features, their scale folded in.

    Args:
        features: (N, F).
        labels: (N,) integers.
        balanced: whether all categories count alike, however many photos they have.
        should_stop: asked between rounds.

    Raises:
        StoppedError: `should_stop` says so.
    """
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler()
    scaled = scale.fit_transform(features)
    found = _regression(scaled, labels, balanced=balanced, should_stop=should_stop)
    rows, offsets = found.coef_, found.intercept_
    if len(rows) == 1:  # of two classes scikit-learn keeps the difference
        rows, offsets = np.vstack([-rows, rows]) / 2, np.hstack([-offsets, offsets]) / 2
    rows = rows / scale.scale_
    return LinearHead(found.classes_, rows, offsets - rows @ scale.mean_)


def _regression(
    features: Any, labels: Any, *, balanced: bool, should_stop: Callable[[], bool]
) -> Any:
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
            check_wanted(should_stop)
            found.fit(features, labels)
            if found.n_iter_.max() < _ROUNDS_AT_ONCE:
                break
    return found


def check_wanted(should_stop: Callable[[], bool]) -> None:
    """Raise a StoppedError where `should_stop` says so."""
    if should_stop():
        raise StoppedError("the job was stopped while its head start was worked out")
