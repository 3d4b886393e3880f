"""A training's state into checkpoints, and out of them again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import TrainingError
from training import checkpoint
from training.checkpoint import Checkpoint
from training.networks import parameters
from training.optimizers import memory, restore_memory
from training.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from training.averaging import WeightAverage

logger = logging.getLogger(__name__)


class Snapshots:
    """The checkpoints of one training.

    Args:
        network: initialised.
        trainer: of its parameters.
        average: of its weights.
        folder: where the checkpoints are kept.
        identity: of settings and photos.
        has_memory: whether the optimizer's memory is here; with dist_async only servers have it.
    """

    def __init__(
        self,
        network: Any,
        trainer: Any,
        average: WeightAverage,
        folder: Path,
        identity: str,
        *,
        has_memory: bool,
    ) -> None:
        self._network = network
        self._trainer = trainer
        self._average = average
        self._folder = folder
        self._identity = identity
        self._has_memory = has_memory

    def weights(self) -> dict[str, Any]:
        """Of the network by name, as NumPy."""
        mx.nd.waitall()  # oneDNN may still be reordering them behind an inference pass
        return {name: value.asnumpy() for name, value in parameters(self._network).items()}

    def save(self, progress: Progress, best: dict[str, Any]) -> None:
        """Write where the training stands; `best` are the best weights so far, by name."""
        arrays = _named("weights", self.weights()) | _named("best", best)
        arrays |= _named("average", self._average.arrays())
        counts: dict[str, Any] = {}
        if self._has_memory:
            remembered, counts = memory(self._trainer)
            arrays |= _named("memory", remembered)
        state = {**progress.state(), "optimizer": counts}
        found = Checkpoint(self._identity, progress.epoch, progress.batch, state, arrays)
        checkpoint.save(self._folder, found)

    def restore(self) -> tuple[Progress, dict[str, Any]] | None:
        """Put network and optimizer where the last checkpoint left them; (progress, best weights).

        None where there is no checkpoint.

        Raises:
            TrainingError: it is another job's.
        """
        found = checkpoint.latest(self._folder)
        if found is None:
            return None
        if found.identity != self._identity:
            raise TrainingError(
                "the checkpoints are of a job with other hyperparameters or other photos",
                hint="give this job a checkpoint folder (CheckpointConfig.S3Uri) of its own",
            )
        weights = _under("weights", found.arrays)
        for name, parameter in self._network.collect_params().items():
            parameter.set_data(mx.nd.array(weights[name]))
        self._average.restore(_under("average", found.arrays))
        if counts := found.state["optimizer"]:
            restore_memory(self._trainer, _under("memory", found.arrays), counts)
        logger.info("Going on from epoch %d, batch %d", found.epoch, found.batch)
        progress = Progress.restored(found.epoch, found.batch, found.state)
        return progress, _under("best", found.arrays)


def _named(kind: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {f"{kind}/{name}": array for name, array in arrays.items()}


def _under(kind: str, arrays: dict[str, Any]) -> dict[str, Any]:
    prefix = f"{kind}/"
    return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
