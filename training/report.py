"""What the trained network's answers are worth: calibrated on validation photos, then measured."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from evaluation.answers import Answers
from evaluation.fitting import fit_trust
from evaluation.report import write_report
from training.evaluate import outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evaluation.trust import Trust
    from photo import Preparation
    from training.channels import Channel
    from training.history import Epoch
    from training.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)


class Examiner:
    """Asks a network about whole channels, and writes down what it is worth.

    Args:
        network: with its best weights.
        classes: names in output order.
        settings: of the job.
        preparation: of the photos.
        history: of the training, for the curves.
        tree: each class's levels in a tree of categories, where there is one.
        folder: of the job's output; each channel's report is put in a folder of its name there.
        should_stop: asked before every batch of photos.

    Attributes:
        calibration_errors: by channel, the expected calibration error, 0..1, `before` and `after`
            the temperature; of answers with one label a photo, and none before it was fitted.
    """

    def __init__(
        self,
        network: Any,
        classes: tuple[str, ...],
        settings: Hyperparameters,
        preparation: Preparation,
        *,
        history: Sequence[Epoch],
        tree: dict[str, list[str]] | None,
        folder: Path,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._network = network
        self._classes = classes
        self._settings = settings
        self._preparation = preparation
        self._history = [asdict(epoch) for epoch in history]
        self._tree = tree
        self._folder = folder
        self._should_stop = should_stop
        self.calibration_errors: dict[str, dict[str, float]] = {}

    def calibrate(self, validation: Channel, untested: Trust) -> Trust:
        """Fit temperature, thresholds and the bound of what is familiar; writes its report too.

        A threshold that the job sets for all classes is kept. Where the job is stopped meanwhile,
        the result is `untested`.
        """
        asked = self._ask(validation)
        if asked is None:
            return untested
        answers, seconds = asked
        trust = fit_trust(answers, wanted_precision=self._settings.wanted_precision or None)
        own = {} if self._settings.threshold else trust.thresholds
        trust = replace(trust, thresholds=own, default=untested.default)
        logger.info("Calibrated with temperature %.3f", trust.temperature)
        for note in trust.notes:
            logger.info("Calibration: %s", note)
        self._write(validation, answers, trust, seconds)
        return trust

    def measure(self, channel: Channel, trust: Trust) -> float | None:
        """The accuracy, 0..1, on a channel; writes its report. None where the job is stopped."""
        asked = self._ask(channel)
        if asked is None:
            return None
        answers, seconds = asked
        self._write(channel, answers, trust, seconds)
        return _accuracy(answers)

    def _ask(self, channel: Channel) -> tuple[Answers, float] | None:
        start = time.perf_counter()
        size = self._settings.image_shape[1]
        found = outputs(self._network, channel, size, self._preparation, self._should_stop)
        if found is None:
            logger.info("Stopped: %s photos are not all asked", channel.name)
            return None
        answers = Answers(self._classes, found.labels, found.logits)
        return answers, time.perf_counter() - start

    def _write(self, channel: Channel, answers: Answers, trust: Trust, seconds: float) -> None:
        document = write_report(
            self._folder / channel.name,
            answers,
            title=f"{channel.name.capitalize()} photos",
            history=self._history,
            tree=self._tree,
            thumbnails=channel.photo,
            seconds=seconds,
            calibration=trust,
            wanted_precision=self._settings.wanted_precision or None,
        )
        if trust.fitted and "calibration" in document:
            self._note_errors(channel.name, document["calibration"])

    def _note_errors(self, channel: str, calibration: dict[str, Any]) -> None:
        errors = {key: calibration[key]["error_equal_width"] for key in ("before", "after")}
        self.calibration_errors[channel] = errors
        logger.info(
            "Calibration error on %s photos: %.4f before, %.4f after",
            channel,
            errors["before"],
            errors["after"],
        )


def _accuracy(answers: Answers) -> float:
    best = answers.logits > 0 if answers.labels.ndim > 1 else answers.logits.argmax(axis=1)
    return float((best == answers.labels).mean())
