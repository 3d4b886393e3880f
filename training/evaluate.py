"""What a network answers to a channel's photos, and how good that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from photo import Preparation
    from training.channels import Channel

BATCH_SIZE = 32
_AT_ONCE = 1024
"""Photos whose losses are worked out together: with thousands of classes, copies are large."""


class Outputs(NamedTuple):
    """Of N photos: logits (N, K) float32, and labels (N,) or, 0 and 1, (N, K)."""

    logits: Any
    labels: Any

    @property
    def accuracy(self) -> float:
        """The share, 0..1, of photos whose best class is their label; of yes and no answers."""
        if self.labels.ndim > 1:
            return float(((self.logits > 0) == (self.labels > 0)).mean())
        return float((self.logits.argmax(axis=1) == self.labels).mean())

    @property
    def loss(self) -> float:
        """The mean log loss, in nats."""
        if self.labels.ndim > 1:
            signed = np.where(self.labels > 0, self.logits, -self.logits)
            return float(np.logaddexp(0, -signed).mean())
        starts = range(0, len(self.logits), _AT_ONCE)
        return float(np.concatenate([self._losses(start) for start in starts]).mean())

    def _losses(self, start: int) -> Any:
        """(n,) of the next `_AT_ONCE` photos, one label each."""
        logits = self.logits[start : start + _AT_ONCE]
        labels = self.labels[start : start + _AT_ONCE].astype(int)
        shifted = logits - logits.max(axis=1, keepdims=True)
        return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]

    def top_k_accuracy(self, k: int) -> float:
        """The share, 0..1, of photos whose label is among the `k` best classes."""
        own = self.logits[np.arange(len(self.logits)), self.labels.astype(int)]
        return float(((self.logits > own[:, None]).sum(axis=1) < k).mean())


def outputs(
    network: Any,
    channel: Channel,
    size: int,
    preparation: Preparation,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outputs | None:
    """What the network says to every photo of the channel, in its order.

    None where `should_stop`, asked before every batch, says so: SageMaker kills 120 s after it asks
    a job to end, and a large channel takes longer.
    """
    logits = None  # made once: joined from batches it would take twice the memory
    first = 0
    for batch in channel.batches(size, preparation, BATCH_SIZE):
        if should_stop():
            return None
        found = network(batch.data).asnumpy()[: batch.photos]
        if logits is None:
            logits = np.empty((channel.photos, found.shape[1]), np.float32)
        logits[first : first + batch.photos] = found
        first += batch.photos
    return Outputs(logits, channel.labels)
