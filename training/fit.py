"""The training loop: epochs of SGD, and the best weights by validation accuracy."""

from __future__ import annotations

import itertools
import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from contracts import TrainingError
from training.evaluate import accuracy
from training.networks import parameters
from training.schedules import learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from photo import Preparation
    from training.channels import Channel
    from training.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)

BATCHES_BETWEEN_LINES = 20


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to; accuracies 0..1, speed in photos a second."""

    number: int
    size: int
    learning_rate: float
    train_accuracy: float
    validation_accuracy: float | None
    images_per_second: float


@dataclass(slots=True)
class Fit:
    """The training of one network, and the best weights that it has reached."""

    network: Any
    settings: Hyperparameters
    preparation: Preparation
    should_stop: Callable[[], bool] = lambda: False
    history: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None
    best_parameters: dict[str, Any] = field(default_factory=dict)

    def run(self, train: Channel, validation: Channel | None) -> None:
        """Train every epoch, or until `should_stop`; the best weights stand in `best_parameters`.

        Only epochs at the full picture size compete: the photos of the endpoint have that size,
        and an accuracy on smaller ones says nothing of it. Without validation the last wins.
        """
        trainer = gluon.Trainer(
            self.network.collect_params(),
            self.settings.optimizer,
            {"momentum": self.settings.momentum, "wd": self.settings.weight_decay},
            kvstore=None,
        )
        for number, size in enumerate(self.settings.sizes):
            rate = learning_rate(self.settings, number)
            trainer.set_learning_rate(rate)
            train_accuracy, speed = self._train_epoch(trainer, train, number, size)
            if self.should_stop():
                logger.info("Stopped in epoch %d", number)
                return
            score = self._validate(validation, number, size)
            epoch = Epoch(number, size, rate, train_accuracy, score, speed)
            self.history.append(epoch)
            self._keep_best(epoch)

    def _train_epoch(
        self, trainer: Any, train: Channel, number: int, size: int
    ) -> tuple[float, float]:
        """Train on an epoch's photos; (accuracy on the photos as seen, photos a second)."""
        settings = self.settings
        loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
        metric = mx.metric.Accuracy()
        batches = train.shuffled_batches(
            size,
            self.preparation,
            settings.mini_batch_size,
            augmentation_type=settings.augmentation_type,
            seed=settings.seed + number,
        )
        seen, start = 0, time.perf_counter()
        limit = math.ceil(settings.epoch_photos / settings.mini_batch_size) or None
        for count, batch in enumerate(itertools.islice(batches, limit), 1):
            with autograd.record():
                logits = self.network(batch.data)
                loss = loss_of(logits, batch.labels)
            loss.backward()
            trainer.step(settings.mini_batch_size)
            metric.update(batch.labels, logits)
            seen += batch.photos
            if count % BATCHES_BETWEEN_LINES == 0:
                _log_speed(number, count, seen / (time.perf_counter() - start), metric)
            if self.should_stop():
                break
        seconds = time.perf_counter() - start
        logger.info("Epoch[%d] Train-accuracy=%f", number, metric.get()[1])
        logger.info("Epoch[%d] Time cost=%.3f", number, seconds)
        return float(metric.get()[1]), seen / seconds

    def _validate(self, validation: Channel | None, number: int, size: int) -> float | None:
        if validation is None:
            return None
        score = accuracy(self.network, validation, size, self.preparation)
        logger.info("Epoch[%d] Validation-accuracy=%f", number, score)
        return score

    def _keep_best(self, epoch: Epoch) -> None:
        if not all(
            np.isfinite(value.asnumpy()).all() for value in parameters(self.network).values()
        ):
            raise TrainingError(
                f"the weights of epoch {epoch.number} are no finite numbers: the training diverged",
                hint=f"a lower learning_rate than {self.settings.learning_rate}",
            )
        if epoch.size != self.settings.image_shape[1]:
            return
        score = epoch.validation_accuracy
        reached = self.best.validation_accuracy if self.best else None
        if score is not None and reached is not None and score <= reached:
            return
        if score is not None:
            logger.info("Storing the best model with validation accuracy: %f", score)
        self.best = epoch
        copies = {name: value.copy() for name, value in parameters(self.network).items()}
        self.best_parameters = copies


def _log_speed(number: int, count: int, speed: float, metric: Any) -> None:
    logger.info(
        "Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec\taccuracy=%f",
        number,
        count,
        speed,
        metric.get()[1],
    )
