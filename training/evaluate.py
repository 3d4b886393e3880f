"""What a network answers to a channel's photos, and how good that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from photo import Preparation
    from training.channels import Channel

BATCH_SIZE = 32
_SMALLEST = 1e-12


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
        highest = self.logits.max(axis=1, keepdims=True)
        shifted = self.logits - highest
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-logs[np.arange(len(logs)), self.labels.astype(int)].mean())

    def top_k_accuracy(self, k: int) -> float:
        """The share, 0..1, of photos whose label is among the `k` best classes."""
        own = self.logits[np.arange(len(self.logits)), self.labels.astype(int)]
        return float(((self.logits > own[:, None]).sum(axis=1) < k).mean())


def outputs(network: Any, channel: Channel, size: int, preparation: Preparation) -> Outputs:
    """What the network says to every photo of the channel, in its order."""
    logits, labels = [], []
    for batch in channel.batches(size, preparation, BATCH_SIZE):
        logits.append(network(batch.data).asnumpy()[: batch.photos])
        labels.append(batch.labels.asnumpy()[: batch.photos])
    return Outputs(np.concatenate(logits), np.concatenate(labels))
