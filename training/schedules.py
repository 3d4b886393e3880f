"""The learning rate as a function of the epoch."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from training.hyperparameters import Hyperparameters


def learning_rate(settings: Hyperparameters, epoch: float, scores: Sequence[float] = ()) -> float:
    """The rate at `epoch`, counted from 0; fractions are within an epoch.

    With r = learning_rate, m = lr_min, E = epochs, c = lr_cycle_epochs, and e the epoch:

    - constant: r.
    - exponential: r exp(-lr_decay floor(e)), the marketplace's schedule with 0.05.
    - step: r lr_scheduler_factor^n after n of the epochs of lr_scheduler_step, as the built-in
      algorithm.
    - polynomial: m + (r - m) (1 - e/E)^lr_power.
    - cosine: m + (r - m) (1 + cos(pi e/E)) / 2 (Loshchilov and Hutter 2017, without restarts).
    - cyclical: from m to r and back again within c epochs, in straight lines (Smith 2017).
    - cyclical_exponential: the same, its height falling as exp(-lr_decay e) ("exp_range" there).
    - plateau: r lr_scheduler_factor^n, n the times that lr_patience epochs went by without a
      higher score.

    During warmup_epochs each is multiplied by what share of them has passed.

    Args:
        settings: of the job.
        epoch: from 0 to below epochs.
        scores: validation accuracies of the epochs that have ended.
    """
    rate = _SCHEDULES[settings.lr_schedule](settings, epoch, scores)
    if epoch < settings.warmup_epochs:
        rate *= epoch / settings.warmup_epochs
    return rate


def _constant(settings: Hyperparameters, _epoch: float, _scores: Sequence[float]) -> float:
    return settings.learning_rate


def _exponential(settings: Hyperparameters, epoch: float, _scores: Sequence[float]) -> float:
    return settings.learning_rate * math.exp(-settings.lr_decay * math.floor(epoch))


def _step(settings: Hyperparameters, epoch: float, _scores: Sequence[float]) -> float:
    passed = bisect.bisect_right(settings.lr_scheduler_step, epoch)
    return settings.learning_rate * float(settings.lr_scheduler_factor**passed)


def _polynomial(settings: Hyperparameters, epoch: float, _scores: Sequence[float]) -> float:
    return _between(settings, float((1 - epoch / settings.epochs) ** settings.lr_power))


def _cosine(settings: Hyperparameters, epoch: float, _scores: Sequence[float]) -> float:
    return _between(settings, (1 + math.cos(math.pi * epoch / settings.epochs)) / 2)


def _cyclical(settings: Hyperparameters, epoch: float, _scores: Sequence[float]) -> float:
    return _between(settings, _triangle(settings, epoch))


def _cyclical_exponential(
    settings: Hyperparameters, epoch: float, _scores: Sequence[float]
) -> float:
    height = math.exp(-settings.lr_decay * epoch)
    return _between(settings, _triangle(settings, epoch) * height)


def _plateau(settings: Hyperparameters, _epoch: float, scores: Sequence[float]) -> float:
    return settings.learning_rate * float(
        settings.lr_scheduler_factor ** _plateaus(scores, settings.lr_patience)
    )


def _between(settings: Hyperparameters, share: float) -> float:
    return settings.lr_min + (settings.learning_rate - settings.lr_min) * share


def _triangle(settings: Hyperparameters, epoch: float) -> float:
    """0 at the ends of each cycle, 1 in its middle."""
    if settings.lr_cycle_epochs == 0:
        return 1.0
    return 1 - abs(2 * (epoch / settings.lr_cycle_epochs % 1) - 1)


def _plateaus(scores: Sequence[float], patience: int) -> int:
    """How often `patience` scores in a row were no higher than the best before them."""
    count, waited, best = 0, 0, -math.inf
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited == patience:
            count, waited = count + 1, 0
    return count


_SCHEDULES: dict[str, Callable[[Hyperparameters, float, Sequence[float]], float]] = {
    "constant": _constant,
    "exponential": _exponential,
    "step": _step,
    "polynomial": _polynomial,
    "cosine": _cosine,
    "cyclical": _cyclical,
    "cyclical_exponential": _cyclical_exponential,
    "plateau": _plateau,
}
