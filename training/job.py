"""One training job, from its channels to its artifact."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import TrainingError
from training.artifact import write_artifact
from training.channels import Channel, read_dataset
from training.evaluate import accuracy
from training.fit import Fit
from training.hyperparameters import Hyperparameters
from training.networks import build, initialise

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.environment import Environment

logger = logging.getLogger(__name__)


def train(environment: Environment, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Run the job that the container layout describes; returns the model card.

    Raises:
        TrainingError: a hyperparameter or channel cannot be used, or the job was stopped before
            an epoch at full picture size had ended.
    """
    start = time.perf_counter()
    settings = Hyperparameters.parse(environment.hyperparameters())
    mx.random.seed(settings.seed)
    channels = {name: _open(environment, name) for name in ("train", "validation", "test")}
    train_channel = channels["train"]
    if train_channel is None:
        raise TrainingError("the job has no train channel", hint="give it one with a .rec file")
    classes, preparation = read_dataset(train_channel.records.parent, settings.image_shape[1])
    classes = _check_classes(settings, classes)
    for channel in filter(None, channels.values()):
        _check_labels(channel, classes)
    _check_samples(settings, train_channel)

    network = build(
        settings.num_layers,
        len(classes),
        shape=settings.image_shape,
        stem_pooling=settings.stem_pooling,
    )
    network.check_sizes(settings.sizes)
    initialise(network, settings.image_shape)
    fit = Fit(network, settings, preparation, should_stop)
    fit.run(train_channel, channels["validation"])
    if fit.best is None:
        raise TrainingError("the job was stopped before its first epoch at full size had ended")
    for name, parameter in network.collect_params().items():
        parameter.set_data(fit.best_parameters[name])

    metrics: dict[str, Any] = {
        "train_accuracy": fit.best.train_accuracy,
        "validation_accuracy": fit.best.validation_accuracy,
        "photos": {name: channel.photos for name, channel in channels.items() if channel},
        "epochs": [asdict(epoch) for epoch in fit.history],
    }
    if channels["test"] and not should_stop():  # SageMaker kills 120 s after it asks to stop
        size = settings.image_shape[1]
        metrics["test_accuracy"] = accuracy(network, channels["test"], size, preparation)
        logger.info("Test-accuracy=%f", metrics["test_accuracy"])
    metrics["seconds"] = round(time.perf_counter() - start, 1)
    card = write_artifact(
        environment.model_dir,
        network,
        fit.best_parameters,
        epoch=fit.best.number,
        classes=classes,
        settings=settings,
        preparation=preparation,
        metrics=metrics,
    )
    environment.output_data_dir.mkdir(parents=True, exist_ok=True)
    (environment.output_data_dir / "metrics.json").write_text(json.dumps(metrics, indent=1))
    return card


def _open(environment: Environment, name: str) -> Channel | None:
    folder = environment.channel_dir(name)
    return Channel.open(name, folder) if folder else None


def _check_classes(settings: Hyperparameters, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The class names, numbers where nothing names them."""
    if not classes and not settings.num_classes:
        raise TrainingError(
            "hyperparameter num_classes is required for records without a dataset.json",
            hint="`snapshelf prepare` writes one",
        )
    if settings.num_classes and classes and settings.num_classes != len(classes):
        raise TrainingError(
            f"hyperparameter num_classes={settings.num_classes}: the records hold {len(classes)} "
            f"classes ({', '.join(classes)})"
        )
    return classes or tuple(str(label) for label in range(settings.num_classes))


def _check_labels(channel: Channel, classes: tuple[str, ...]) -> None:
    """MXNet would train a label that has no output as the last class, and say nothing."""
    if channel.highest_label >= len(classes):
        raise TrainingError(
            f"channel {channel.name} holds label {channel.highest_label}: expected 0 to "
            f"{len(classes) - 1}, as there are {len(classes)} classes",
            hint="num_classes counts the classes of all channels",
        )


def _check_samples(settings: Hyperparameters, channel: Channel) -> None:
    """Say so where `num_training_samples` is wrong; the records are believed."""
    if settings.num_training_samples not in (0, channel.photos):
        logger.warning(
            "num_training_samples=%d, but %s holds %d photos: using those",
            settings.num_training_samples,
            channel.records.name,
            channel.photos,
        )
    if settings.mini_batch_size > channel.photos:
        raise TrainingError(
            f"hyperparameter mini_batch_size={settings.mini_batch_size} is larger than the "
            f"{channel.photos} photos of {channel.records.name}",
            hint=f"mini_batch_size={channel.photos} or less",
        )
