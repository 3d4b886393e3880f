"""One step of the optimizer on one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import mxnet as mx
import numpy as np
from mxnet import autograd

from training.cluster import DIST_ASYNC
from training.losses import mixed

if TYPE_CHECKING:
    from training.channels import Batch
    from training.cluster import Cluster
    from training.hyperparameters import Hyperparameters
    from training.losses import Loss


class Seen(NamedTuple):
    """What a step found of its photos before it learnt from them.

    Attributes:
        photos: how many there were.
        right: how many were answered rightly; with several labels, the sum of each's shares.
        among: how many had their label among the `top_k` best; 0 where nobody asks.
        loss: the sum of their losses.
    """

    photos: int
    right: float
    among: float
    loss: float


class Stepper:
    """Takes steps with a network, its optimizer and a loss.

    Args:
        network: initialised.
        trainer: of its parameters.
        loss: of the job.
        settings: `mixup`, `mini_batch_size`, `seed`, `top_k`.
        cluster: of the hosts, which add up their gradients with dist_sync.
    """

    def __init__(
        self, network: Any, trainer: Any, loss: Loss, settings: Hyperparameters, cluster: Cluster
    ) -> None:
        self._network = network
        self._trainer = trainer
        self._loss = loss
        self._mixup = settings.mixup
        self._seed = settings.seed
        self._top_k = 0 if settings.multi_label else settings.top_k
        self._cluster = cluster
        together = 1 if cluster.kvstore_kind == DIST_ASYNC else cluster.size
        self._photos = settings.mini_batch_size * together

    def step(self, batch: Batch, rate: float, place: tuple[int, int]) -> Seen:
        """Learn from a batch.

        Whatever is random follows from the place, so that a resumed job draws the same.

        Args:
            batch: of pictures and labels.
            rate: of learning.
            place: the epoch, and the batch in it.
        """
        random = np.random.default_rng((self._seed, *place))
        mx.random.seed(int(random.integers(2**31)))
        data, targets = batch.data, self._loss.targets(batch.labels)
        if self._mixup:
            data, targets = mixed(data, targets, float(random.beta(self._mixup, self._mixup)))
        with autograd.record():
            logits = self._network(data)
            losses = self._loss(logits, targets)
        losses.backward()
        if self._cluster.kvstore_kind != DIST_ASYNC:  # servers have a schedule of their own
            self._trainer.set_learning_rate(rate)
        self._cluster.step(self._trainer, self._photos)
        among = _among(logits, batch.labels, self._top_k) if self._top_k else 0.0
        right = _right(logits, batch.labels)
        return Seen(len(batch.data), right, among, float(losses.sum().asscalar()))


def _right(logits: Any, labels: Any) -> float:
    """How many photos were answered rightly; with several labels, the mean share of each's."""
    if labels.ndim > 1:
        return float(((logits > 0) == (labels > 0)).mean(axis=1).sum().asscalar())
    return float((logits.argmax(axis=1) == labels).sum().asscalar())


def _among(logits: Any, labels: Any, k: int) -> float:
    """How many photos have their label among the `k` best classes."""
    own = mx.nd.pick(logits, labels, axis=1).expand_dims(1)
    better = mx.nd.broadcast_greater(logits, own).sum(axis=1)
    return float((better < k).sum().asscalar())
