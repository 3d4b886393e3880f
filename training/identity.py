"""What makes two runs the same job, so that one may go on where the other was interrupted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from photo import Preparation
    from training.channels import Channel
    from training.hyperparameters import Hyperparameters

FREE = frozenset(
    {
        "checkpoint_frequency",
        "checkpoint_minutes",
        "early_stopping",
        "early_stopping_min_epochs",
        "early_stopping_patience",
        "early_stopping_tolerance",
        "max_minutes",
        "num_training_samples",
        "threshold",
        "tracking",
        "wanted_precision",
    }
)
"""Settings that say when to end, or what to tell; the weights up to there do not depend on them.

`top_k` is none of them: a checkpoint within an epoch holds a count by it."""


def identity(
    settings: Hyperparameters, preparation: Preparation, channels: list[Channel], hosts: int
) -> str:
    """SHA-256, hexadecimal, of all that the weights depend on: settings, photos' labels, hosts.

    Photos are known by their labels in order and by their records' places, which change with any
    photo of another length; to read all bytes once more would take as long as an epoch.
    """
    fixed = {name: value for name, value in settings.document().items() if name not in FREE}
    digest = hashlib.sha256(json.dumps([fixed, preparation.to_dict(), hosts]).encode())
    for channel in channels:
        digest.update(channel.name.encode())
        digest.update(np.ascontiguousarray(channel.labels).tobytes())
        digest.update(np.ascontiguousarray(channel.scan.places).tobytes())
    return digest.hexdigest()
