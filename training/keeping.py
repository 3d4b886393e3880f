"""Which epochs' weights are kept: the best one's, and those that checkpoint_frequency asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from contracts import PARAMS_FILE
from training.artifact import save_params
from training.history import Epoch, best_of
from training.networks import parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from training.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps weights of one training.

    Args:
        network: initialised.
        settings: `checkpoint_frequency`, and the size at which epochs compete.
        folder: for files of weights.
        writes: whether this host writes them.

    Attributes:
        best: the epoch whose weights won so far, None before there is one.
        weights: its weights by name, as NumPy.
    """

    def __init__(
        self, network: Any, settings: Hyperparameters, folder: Path, *, writes: bool
    ) -> None:
        self.best: Epoch | None = None
        self.weights: dict[str, Any] = {}
        self._network = network
        self._frequency = settings.checkpoint_frequency
        self._size = settings.image_shape[1]
        self._folder = folder
        self._writes = writes

    def keep(self, history: Sequence[Epoch], weights: Callable[[], dict[str, Any]]) -> None:
        """Keep the last epoch's weights where they are the best so far, or due for the artifact.

        Args:
            history: of the epochs so far.
            weights: gives the network's, by name, as NumPy.
        """
        epoch = history[-1]
        if self._is_due(epoch.number) and self._writes:
            self._write(epoch.number)
        if best_of(history, self._size) != epoch:
            return
        if epoch.validation_accuracy is not None:
            logger.info(
                "Storing the best model with validation accuracy: %f", epoch.validation_accuracy
            )
        self.best, self.weights = epoch, weights()

    def restore(self, history: Sequence[Epoch], weights: dict[str, Any]) -> None:
        """Go on with what a checkpoint tells of the best epoch."""
        self.best, self.weights = best_of(history, self._size), weights

    def files(self, history: Sequence[Epoch]) -> list[str]:
        """Names of the files that checkpoint_frequency asks for, of the epochs so far."""
        numbers = [epoch.number for epoch in history if self._is_due(epoch.number)]
        return [PARAMS_FILE.format(epoch=number) for number in numbers]

    def _is_due(self, number: int) -> bool:
        return bool(self._frequency) and (number + 1) % self._frequency == 0

    def _write(self, number: int) -> None:
        path = self._folder / PARAMS_FILE.format(epoch=number)
        self._folder.mkdir(parents=True, exist_ok=True)
        save_params(path, self._network, parameters(self._network))
        logger.info('Saved checkpoint to "%s"', path)
