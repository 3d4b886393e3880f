"""Fits temperature, thresholds and familiarity on validation photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.calibration import fit_temperature
from evaluation.familiarity import REACH, fit_bound
from evaluation.thresholds import choose_thresholds
from evaluation.trust import Trust

if TYPE_CHECKING:
    from evaluation.answers import Answers


def fit_trust(
    answers: Answers, *, wanted_precision: float | None = None, reach: float = REACH
) -> Trust:
    """Fit all three on validation photos.

    Args:
        answers: with the network's own logits, uncalibrated.
        wanted_precision: see `choose_thresholds`.
        reach: see `fit_bound`.

    Raises:
        TrainingError: an option is out of range.
    """
    temperature = fit_temperature(answers.logits, answers.labels)
    thresholds = choose_thresholds(
        answers, temperature=temperature.value, wanted_precision=wanted_precision
    )
    notes = [f"temperature: {temperature.note}"] if temperature.note else []
    for how in ("too few photos", "precision not reached"):
        count = sum(one.how == how for one in thresholds)
        notes += [f"{count} of {len(thresholds)} thresholds: {how}"] if count else []
    bound = fit_bound(answers, reach)
    notes += [] if bound is not None else ["familiarity is not tested"]
    values = {one.category: one.value for one in thresholds}
    return Trust(temperature.value, values, bound, notes=tuple(notes))
