"""Accuracy of a network on a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photo import Preparation
    from training.channels import Channel

BATCH_SIZE = 32


def accuracy(network: Any, channel: Channel, size: int, preparation: Preparation) -> float:
    """The share, 0..1, of the channel's photos whose most probable class is their label."""
    right = photos = 0
    for batch in channel.batches(size, preparation, BATCH_SIZE):
        verdicts = network(batch.data).argmax(axis=1)
        right += int((verdicts == batch.labels)[: batch.photos].sum().asscalar())
        photos += batch.photos
    return right / photos
