"""The learning rate as a function of the epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.hyperparameters import Hyperparameters


def learning_rate(settings: Hyperparameters, epoch: float) -> float:
    """The rate at `epoch` (from 0; fractions are within an epoch).

    exponential: `learning_rate * exp(-lr_decay * epoch)`, the marketplace's schedule with 0.05.
    """
    if settings.lr_schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * math.exp(-settings.lr_decay * epoch)
