"""What the epochs came to, and what follows from it: which was best, and whether to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 0.
        size: of its pictures, in pixels.
        learning_rate: at its end.
        train_accuracy: 0..1, of the photos as augmented, while the weights changed.
        train_loss: their mean loss, as trained on.
        validation_accuracy: 0..1, None without validation.
        validation_loss: mean log loss, likewise.
        images_per_second: trained on.
        seconds: since the job's first epoch began, over all its runs.
    """

    number: int
    size: int
    learning_rate: float
    train_accuracy: float
    train_loss: float
    validation_accuracy: float | None
    validation_loss: float | None
    images_per_second: float
    seconds: float


def best_of(history: Sequence[Epoch], size: int) -> Epoch | None:
    """The epoch of highest validation accuracy, of equals that of lowest loss, of those the first.

    Without validation the last.

    Only epochs at `size` compete: the endpoint's photos have that size, and an accuracy on smaller
    ones says nothing of it.
    """
    competing = [epoch for epoch in history if epoch.size == size]
    scored = [epoch for epoch in competing if epoch.validation_accuracy is not None]
    if scored:
        return max(scored, key=_rank)
    return competing[-1] if competing else None


def _rank(epoch: Epoch) -> tuple[float, float, int]:
    loss = epoch.validation_loss
    return epoch.validation_accuracy or 0.0, -loss if loss is not None else 0.0, -epoch.number


def scores(history: Sequence[Epoch]) -> list[float]:
    """Validation accuracies in order."""
    return [e.validation_accuracy for e in history if e.validation_accuracy is not None]


def stops_early(settings: Hyperparameters, history: Sequence[Epoch]) -> bool:
    """Whether early stopping ends the training behind these epochs.

    As the built-in algorithm: after early_stopping_min_epochs, once early_stopping_patience epochs
    in a row were better than the best by no more than early_stopping_tolerance of it. Epochs on
    smaller pictures do not count.
    """
    if not settings.early_stopping or len(history) < settings.early_stopping_min_epochs:
        return False
    best, waited = 0.0, 0
    for score in scores([e for e in history if e.size == settings.image_shape[1]]):
        if score > best and (score - best) > settings.early_stopping_tolerance * best:
            best, waited = score, 0
        else:
            waited += 1
    return waited >= settings.early_stopping_patience
