"""One training job, from its channels to its artifact."""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import DEFAULT_THRESHOLD, SPLITS, TrainingError
from evaluation.trust import Trust
from training import checkpoint, checks
from training.artifact import Trained, write_artifact
from training.channels import Augmentation, open_channel, read_data, read_dataset, read_tree
from training.cluster import Cluster, started
from training.effects import Situation, check_effects
from training.fit import Fit, Inputs
from training.hyperparameters import Hyperparameters
from training.identity import identity
from training.report import Examiner
from training.start import MODEL_CHANNEL, Start, make_start
from training.stopping import StoppedError
from training.tracking import tracked

if TYPE_CHECKING:
    from collections.abc import Callable

    from photo import Preparation
    from training.channels import Channel
    from training.environment import Environment
    from training.tracking import Tracker

logger = logging.getLogger(__name__)


def train(environment: Environment, should_stop: Callable[[], bool]) -> dict[str, Any]:
    """Run the job that the container layout describes; returns the model card.

    Of several hosts only the first writes an artifact; the card is then the same for all.

    Raises:
        TrainingError: a hyperparameter or channel cannot be used.
        StoppedError: the job was stopped before an epoch at full picture size had ended.
    """
    began = time.perf_counter()
    settings = Hyperparameters.parse(environment.hyperparameters())
    job = _prepare(environment, settings, should_stop)
    with started(environment, settings.kv_store or None) as cluster:
        if cluster.rank:
            _fit(environment, job, cluster, should_stop)
            return {}
        with tracked(
            settings, environment.output_data_dir, environment.job_name, should_stop
        ) as tracker:
            fit = _fit(environment, job, cluster, should_stop, tracker)
            return _finish(environment, job, fit, should_stop, began)


@dataclass(frozen=True, slots=True)
class Job:
    """All that is known before the first step."""

    settings: Hyperparameters
    channels: dict[str, Channel]
    classes: tuple[str, ...]
    tree: dict[str, list[str]] | None
    data: dict[str, Any] | None
    preparation: Preparation
    start: Start


def _prepare(
    environment: Environment, settings: Hyperparameters, should_stop: Callable[[], bool]
) -> Job:
    if settings.precision_dtype == "float16":
        logger.warning("precision_dtype=float16: trained in float32, which no CPU is slower at")
    mx.random.seed(settings.seed)
    if not environment.has_channel("train"):
        raise TrainingError("the job has no train channel", hint="give it one with a .rec file")
    size, resize = settings.image_shape[1], settings.resize or None
    folder = environment.base_dir / "input" / "data" / "train"
    named, preparation = read_dataset(folder, size, resize=resize)
    classes = checks.classes(settings, named)
    start = make_start(settings, len(classes), environment)
    check_effects(settings, environment.hyperparameters(), _situation(environment, start))
    channels = _open_channels(environment, settings, preparation, len(classes), should_stop)
    checks.samples(settings, channels["train"])
    return Job(
        settings,
        channels,
        classes,
        read_tree(folder),
        read_data(folder),
        start.prepared(preparation),
        start,
    )


def _situation(environment: Environment, start: Start) -> Situation:
    return Situation(
        goes_on=environment.has_channel(MODEL_CHANNEL),
        keeps_network=start.keeps_network,
        validates=environment.has_channel("validation"),
        hosts=len(environment.resources().hosts),
    )


def _open_channels(
    environment: Environment,
    settings: Hyperparameters,
    preparation: Preparation,
    classes: int,
    should_stop: Callable[[], bool],
) -> dict[str, Channel]:
    """Those that the job has, of train, validation and test."""
    channels = {}
    for name in SPLITS:
        channel = open_channel(
            environment,
            name,
            preparation,
            environment.scratch_dir,
            classes=classes,
            multi_label=settings.multi_label,
            should_stop=should_stop,
        )
        if channel is not None:
            checks.labels(channel, classes)
            channels[name] = channel
    return channels


def _fit(
    environment: Environment,
    job: Job,
    cluster: Cluster,
    should_stop: Callable[[], bool],
    tracker: Tracker | None = None,
) -> Fit:
    """Train; the network then holds its best weights."""
    settings, channels = job.settings, job.channels
    inputs = Inputs(
        channels["train"],
        channels.get("validation"),
        job.preparation,
        len(job.classes),
        _augmentation(settings),
    )
    used = [channel for name, channel in channels.items() if name != "test"]
    fit = Fit(
        job.start.network,
        settings,
        inputs,
        environment.checkpoints_dir,
        identity=identity(settings, job.preparation, used, cluster.size),
        should_stop=should_stop,
        tracker=tracker,
        cluster=cluster,
    )
    fit.run()
    if fit.best is None:
        raise StoppedError("the job was stopped before its first epoch at full size had ended")
    for name, parameter in job.start.network.collect_params().items():
        parameter.set_data(mx.nd.array(fit.best_parameters[name]))
    return fit


def _augmentation(settings: Hyperparameters) -> Augmentation:
    """The built-in algorithm's ranges, and what the job adds to them."""
    return Augmentation.of(settings.augmentation_type).with_more(
        min_area=settings.min_area or None,
        padding=settings.padding or None,
        mirror=settings.mirror or None,
        rotate=settings.rotation or None,
        brightness=settings.colour_jitter or None,
        contrast=settings.colour_jitter or None,
        saturation=settings.colour_jitter or None,
        grey=settings.random_grey or None,
        blur=settings.random_blur or None,
        random_erasing=settings.random_erasing or None,
    )


def _finish(
    environment: Environment, job: Job, fit: Fit, should_stop: Callable[[], bool], began: float
) -> dict[str, Any]:
    """Calibrate, measure and write the artifact; less of it where SageMaker is about to kill."""
    best = fit.best
    assert best is not None  # noqa: S101 - `_fit` has seen to it
    metrics: dict[str, Any] = {
        "train_accuracy": best.train_accuracy,
        "validation_accuracy": best.validation_accuracy,
        "photos": {name: channel.photos for name, channel in job.channels.items()},
        "epochs": [asdict(epoch) for epoch in fit.history],
    }
    trust = _untested(job.settings)
    if should_stop():  # it kills 120 s after it asks
        logger.info("Stopped: neither calibrated nor measured")
    else:
        trust = _examine(environment, job, fit, metrics, should_stop)
    metrics["seconds"] = round(time.perf_counter() - began, 1)
    environment.output_data_dir.mkdir(parents=True, exist_ok=True)
    (environment.output_data_dir / "metrics.json").write_text(json.dumps(metrics, indent=1))
    trained = Trained(
        job.start.network,
        job.start.name,
        fit.best_parameters,
        best.number,
        job.classes,
        job.settings,
        job.preparation,
        trust,
        metrics,
        job.tree,
        job.data,
        {
            "hyperparameters": environment.hyperparameters(),
            "goes_on": environment.has_channel(MODEL_CHANNEL),
        },
    )
    card = write_artifact(environment.model_dir, trained)
    for name in fit.kept:  # the folder may also have those of a job before this one
        kept = environment.checkpoints_dir / name
        if kept.exists() and not (environment.model_dir / name).exists():
            shutil.copy(kept, environment.model_dir)
    if best.number + 1 == job.settings.epochs or not should_stop():
        checkpoint.discard(environment.checkpoints_dir)
    return card


def _examine(
    environment: Environment,
    job: Job,
    fit: Fit,
    metrics: dict[str, Any],
    should_stop: Callable[[], bool],
) -> Trust:
    examiner = Examiner(
        job.start.network,
        job.classes,
        job.settings,
        job.preparation,
        history=fit.history,
        tree=job.tree,
        folder=environment.output_data_dir,
        should_stop=should_stop,
    )
    trust = _untested(job.settings)
    if "validation" in job.channels:
        trust = examiner.calibrate(job.channels["validation"], trust)
    accuracy = examiner.measure(job.channels["test"], trust) if "test" in job.channels else None
    if accuracy is not None:
        metrics["test_accuracy"] = accuracy
        logger.info("Test-accuracy=%f", accuracy)
    if examiner.calibration_errors:
        metrics["calibration_error"] = examiner.calibration_errors
    return trust


def _untested(settings: Hyperparameters) -> Trust:
    return Trust(default=settings.threshold or DEFAULT_THRESHOLD, fitted=False)
