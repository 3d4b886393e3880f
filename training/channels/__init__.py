"""Input channels: whatever form a job's photos come in, and the batches that are made of them."""

from training.channels.augmentation import AUGMENTATIONS, Augmentation
from training.channels.channel import Channel
from training.channels.dataset import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    read_data,
    read_dataset,
    read_tree,
)
from training.channels.epochs import Batch
from training.channels.opening import open_channel

__all__ = [
    "AUGMENTATIONS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Augmentation",
    "Batch",
    "Channel",
    "open_channel",
    "read_data",
    "read_dataset",
    "read_tree",
]
