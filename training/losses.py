"""What training makes small, and how labels become its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np

if TYPE_CHECKING:
    from training.hyperparameters import Hyperparameters

_SMALLEST_SHARE = 1e-6


class Loss:
    """The loss of a batch; weights, smoothing and mixing are in the targets.

    Cross-entropy of a softmax, or with multi_label of a sigmoid for each class; `focal` multiplies
    it by (1 - p)^focal_gamma of the target's own probability p (Lin et al. 2017).

    Args:
        settings: of the job.
        labels: of all photos that are trained on: classes (N,), or 0 and 1 (N, K) with multi_label.
        classes: K, how many there are.
    """

    def __init__(self, settings: Hyperparameters, labels: Any, classes: int) -> None:
        self._classes = classes
        self._multi_label = settings.multi_label
        self._smoothing = settings.label_smoothing
        self._focal_gamma = settings.focal_gamma if settings.loss == "focal" else 0.0
        self._weights = mx.nd.array(_class_weights(settings, labels, classes))

    def targets(self, labels: Any) -> Any:
        """Labels of a batch as (N, K) shares of the classes; smoothed where that is asked for.

        Smoothing takes a share from the label and spreads it evenly over all K classes, itself
        included (Szegedy et al. 2016, section 7).
        """
        if self._multi_label:
            return labels * (1 - self._smoothing) + self._smoothing / 2
        shares = mx.nd.one_hot(labels, self._classes)
        return shares * (1 - self._smoothing) + self._smoothing / self._classes

    def __call__(self, logits: Any, targets: Any) -> Any:
        """(N,) of logits (N, K) and targets (N, K); differentiable."""
        if self._multi_label:
            return self._of_sigmoids(logits, targets)
        logs = mx.nd.log_softmax(logits)
        if self._focal_gamma:
            logs = logs * _power(1 - mx.nd.exp(logs), self._focal_gamma)
        return -mx.nd.sum(mx.nd.broadcast_mul(targets * logs, self._weights), axis=1)

    def _of_sigmoids(self, logits: Any, targets: Any) -> Any:
        """Each class apart; the weights are of its photos, not of those without it."""
        logs_yes = -mx.nd.Activation(-logits, act_type="softrelu")
        logs_no = -mx.nd.Activation(logits, act_type="softrelu")
        if self._focal_gamma:
            yes = mx.nd.sigmoid(logits)
            logs_yes = logs_yes * _power(1 - yes, self._focal_gamma)
            logs_no = logs_no * _power(yes, self._focal_gamma)
        weighted = mx.nd.broadcast_mul(targets * logs_yes, self._weights)
        return -mx.nd.mean(weighted + (1 - targets) * logs_no, axis=1)


def _power(share: Any, exponent: float) -> Any:
    """A share of 0..1 to a power, whose gradient is finite for exponents below 1 too.

    oneDNN's log_softmax of a sure answer is above 0 (1.4e-6), which leaves less than no share.
    """
    return mx.nd.maximum(share, _SMALLEST_SHARE) ** exponent


def mixed(data: Any, targets: Any, share: float) -> tuple[Any, Any]:
    """Each photo blended with the batch's last but so many (Zhang et al. 2018, "mixup").

    Args:
        data: (N, C, H, W).
        targets: (N, K).
        share: of each photo itself, 0..1; the rest is of its counterpart.
    """
    other, other_targets = mx.nd.flip(data, axis=0), mx.nd.flip(targets, axis=0)
    return data * share + other * (1 - share), targets * share + other_targets * (1 - share)


def _class_weights(settings: Hyperparameters, labels: Any, classes: int) -> Any:
    """(1, K) float32: 1 on average over the photos; with multi_label of noes for a yes."""
    weights = np.ones(classes)
    labels = np.asarray(labels)
    if settings.multi_label and settings.use_weighted_loss:
        positive = np.maximum(labels.sum(axis=0), 1)
        weights = np.maximum(len(labels) - positive, 1) / positive  # 0 would teach no yes at all
    elif settings.class_weights == "balanced" and not settings.multi_label:
        counts = np.bincount(labels, minlength=classes)
        present = counts > 0
        weights[present] = len(labels) / (present.sum() * counts[present])
    return weights.reshape(1, classes).astype(np.float32)
