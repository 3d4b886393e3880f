"""The training loop: epochs of steps, validated and kept, with checkpoints between."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import TrainingError
from training import checks
from training.averaging import WeightAverage
from training.cluster import DIST_ASYNC, Cluster
from training.evaluate import outputs
from training.head_start import start_head
from training.history import Epoch, scores, stops_early
from training.keeping import Keeper
from training.layers import LearningPlan, hold_statistics
from training.losses import Loss
from training.optimizers import count_from, make_trainer
from training.orders import epoch_order
from training.progress import Progress, Speed
from training.schedules import learning_rate
from training.snapshots import Snapshots
from training.steps import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photo import Preparation
    from training.channels import Augmentation, Batch, Channel
    from training.hyperparameters import Hyperparameters
    from training.tracking import Tracker

logger = logging.getLogger(__name__)

BATCHES_BETWEEN_LINES = 20


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is trained on: photos, how they become pictures, how many classes they have."""

    train: Channel
    validation: Channel | None
    preparation: Preparation
    classes: int
    augmentation: Augmentation


class Fit:
    """The training of one network, from wherever its last checkpoint stands.

    Args:
        network: initialised.
        settings: of the job.
        inputs: photos.
        folder: where checkpoints are kept.
        identity: of settings and photos.
        should_stop: asked behind every batch.
        tracker: told of every epoch.
        cluster: the job's hosts.
    """

    def __init__(
        self,
        network: Any,
        settings: Hyperparameters,
        inputs: Inputs,
        folder: Path,
        *,
        identity: str = "",
        should_stop: Callable[[], bool] = lambda: False,
        tracker: Tracker | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.network = network
        self._settings = settings
        self._top_k = 0 if settings.multi_label else settings.top_k
        self._inputs = inputs
        self._identity = identity
        self._should_stop = should_stop
        self._tracker = tracker
        self._cluster = cluster or Cluster()
        self._progress = Progress()
        self._rate = settings.learning_rate
        self._plan = LearningPlan(network, settings)
        photos = min(settings.epoch_photos or inputs.train.photos, inputs.train.photos)
        self._steps = -(-photos // (settings.mini_batch_size * self._cluster.size))
        self._trainer = make_trainer(network, settings, self._cluster, self._steps)
        loss = Loss(settings, inputs.train.labels, inputs.classes)
        self._stepper = Stepper(network, self._trainer, loss, settings, self._cluster)
        self._average = WeightAverage(network, settings.weight_average)
        self._snapshots = Snapshots(
            network,
            self._trainer,
            self._average,
            folder,
            identity,
            has_memory=self._cluster.kvstore_kind != DIST_ASYNC,
        )
        self._keeper = Keeper(network, settings, folder, writes=self._cluster.rank == 0)
        self._saved_at = time.perf_counter()

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights won so far."""
        return self._keeper.best

    @property
    def best_parameters(self) -> dict[str, Any]:
        """Its weights by name, as NumPy."""
        return self._keeper.weights

    @property
    def kept(self) -> list[str]:
        """Files of weights that checkpoint_frequency asks for, of the epochs so far."""
        return self._keeper.files(self.history)

    @property
    def history(self) -> list[Epoch]:
        """Of the epochs that have ended."""
        return self._progress.history

    def run(self) -> None:
        """Train until the epochs, the time or the improvement are at an end, or `should_stop`.

        Raises:
            TrainingError: the weights became infinite, a checkpoint is another job's, or the hosts
                have not the same to do.
        """
        checks.same_job(self._cluster, self._identity)
        resumed = self._resumed()
        checks.same_place(self._cluster, self._progress)
        if self._tracker:  # its files are new, whatever a run before this one told
            for epoch in self.history:
                self._tracker.epoch(epoch)
        if not resumed and self._settings.head_start:
            self._start_head()
        progress, settings = self._progress, self._settings
        while progress.epoch < settings.epochs and not self._ended_early():
            if not self._train_epoch(progress.epoch):
                self._save()
                break
            with self._average.in_place():
                ended = self._end_epoch(progress.epoch)
            self._save()
            if not ended:
                break
        hold_statistics(self.network)  # as the network is to be saved

    def _ended_early(self) -> bool:
        if stops_early(self._settings, self.history):
            logger.info("Early stopping: validation accuracy no longer improves")
            return True
        return self._agreed(self._out_of_time()) and bool(self.history)

    def _agreed(self, wish: bool) -> bool:
        """Whether any host wishes it: where one ends and another does not, that one would wait."""
        return any(self._cluster.gathered(wish))

    def _out_of_time(self) -> bool:
        limit = self._settings.max_minutes * 60
        return bool(limit) and self._progress.seconds >= limit

    def _train_epoch(self, number: int) -> bool:
        """The rest of an epoch, or of the time; whether nobody asked to stop meanwhile."""
        settings, progress = self._settings, self._progress
        self._plan.begin(number)
        order = epoch_order(settings, self._inputs.train.labels, number)
        batches = self._inputs.train.epoch(
            settings.sizes[number],
            self._inputs.preparation,
            settings.mini_batch_size,
            order=order,
            augmentation=self._inputs.augmentation,
            seed=settings.seed + number,
            start_batch=progress.batch,
            part=(self._cluster.rank, self._cluster.size),
        )
        speed = Speed(progress.photos)
        for batch in batches:
            self._step(batch)
            if progress.batch % BATCHES_BETWEEN_LINES == 0:
                progress.log(speed)
            stops, is_over = self._agreed(self._should_stop()), self._agreed(self._out_of_time())
            if stops:
                logger.info("Stopped in epoch %d", number)
                return False
            if is_over:
                logger.info("max_minutes=%g are over in epoch %d", settings.max_minutes, number)
                break
            if time.perf_counter() - self._saved_at > settings.checkpoint_minutes * 60:
                self._save()
        self._speed = speed.per_second(progress.photos)
        logger.info("Epoch[%d] Train-accuracy=%f", number, progress.right / progress.photos)
        if self._top_k:
            share = progress.among / progress.photos
            logger.info("Epoch[%d] Train-top_k_accuracy_%d=%f", number, self._top_k, share)
        logger.info("Epoch[%d] Time cost=%.3f", number, speed.seconds)
        return True

    def _step(self, batch: Batch) -> None:
        progress = self._progress
        position = progress.epoch + progress.batch / self._steps
        self._rate = learning_rate(self._settings, position, scores(self.history))
        progress.seen(self._stepper.step(batch, self._rate, (progress.epoch, progress.batch)))
        self._average.follow(progress.epoch * self._steps + progress.batch)

    def _end_epoch(self, number: int) -> bool:
        """Validate and keep the epoch; False where somebody asks to stop before that is done."""
        if not all(np.isfinite(array).all() for array in self._snapshots.weights().values()):
            raise TrainingError(
                f"the weights of epoch {number} are no finite numbers: the training diverged",
                hint=f"a lower learning_rate than {self._settings.learning_rate}",
            )
        validated = self._validate(number)
        if validated is None:
            logger.info("Stopped while epoch %d was validated", number)
            return False
        accuracy, loss = validated
        progress = self._progress
        epoch = Epoch(
            number,
            self._settings.sizes[number],
            self._rate,
            progress.right / progress.photos,
            progress.loss / progress.photos,
            accuracy,
            loss,
            self._speed,
            round(progress.seconds, 3),
        )
        progress.end_epoch(epoch)
        self._keeper.keep(self.history, self._snapshots.weights)
        if self._tracker:
            self._tracker.epoch(epoch)
        return True

    def _validate(self, number: int) -> tuple[float | None, float | None] | None:
        """(Accuracy, loss) of the validation photos, where there are any; None where stopped.

        The first host's: statistics of batch norms are each host's own, and all have to decide
        alike what follows.
        """
        inputs, settings = self._inputs, self._settings
        if inputs.validation is None:
            return None, None
        size = settings.sizes[number]
        stop = self._should_stop if self.best else lambda: False  # there is no model before it
        found = outputs(self.network, inputs.validation, size, inputs.preparation, stop)
        if self._agreed(found is None) or found is None:
            return None
        logger.info("Epoch[%d] Validation-accuracy=%f", number, found.accuracy)
        if self._top_k:
            share = found.top_k_accuracy(self._top_k)
            logger.info("Epoch[%d] Validation-top_k_accuracy_%d=%f", number, self._top_k, share)
        accuracy, loss = self._cluster.gathered([found.accuracy, found.loss])[0]
        return accuracy, loss

    def _save(self) -> None:
        self._saved_at = time.perf_counter()
        if self._cluster.rank == 0:
            self._snapshots.save(self._progress, self._keeper.weights)

    def _resumed(self) -> bool:
        """Whether there was a checkpoint to go on from."""
        found = self._snapshots.restore()
        if found is None:
            return False
        self._progress, best = found
        self._keeper.restore(self.history, best)
        if self._cluster.kvstore_kind == DIST_ASYNC:
            batches = self._progress.epoch * self._steps + self._progress.batch
            count_from(self._trainer, batches * self._cluster.size)
        return True

    def _start_head(self) -> None:
        settings, inputs = self._settings, self._inputs
        start_head(
            self.network,
            inputs.train,
            inputs.preparation,
            settings.image_shape[1],
            seed=settings.seed,
            rule=settings.head_rule,
            balanced="balanced" in (settings.class_weights, settings.sampling),
            should_stop=self._should_stop,
        )
