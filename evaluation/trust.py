"""What makes an artifact's answers trustworthy: temperature, thresholds, familiarity; in one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import DEFAULT_THRESHOLD, ArtifactError
from evaluation.calibration import fit_temperature
from evaluation.familiarity import REACH, fit_bound
from evaluation.one_against_rest import against_rest
from evaluation.ranked import rank
from evaluation.thresholds import choose_thresholds
from evaluation.verdict import energies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evaluation.answers import Answers


@dataclass(frozen=True, slots=True)
class Trust:
    """Fitted on validation photos, stored in the model card.

    Attributes:
        temperature: that the logits are divided by before the softmax.
        thresholds: by category, 0..1; None where the category is never to be named.
        bound: lowest energy of a familiar photo; None if not tested.
        default: the threshold of a category that `thresholds` does not hold.
        notes: what was not ordinary about the fit.
        fitted: whether it is; a model of old has its one threshold, and temperature 1.
    """

    temperature: float = 1.0
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    bound: float | None = None
    default: float = DEFAULT_THRESHOLD
    notes: tuple[str, ...] = ()
    fitted: bool = True

    def to_card(self) -> dict[str, Any]:
        """The model card's `temperature`, `thresholds` and `familiarity`."""
        familiarity = {} if self.bound is None else {"familiarity": {"energy": self.bound}}
        return {
            "temperature": self.temperature,
            "thresholds": dict(self.thresholds),
            **familiarity,
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Trust:
        """What a model card tells; not fitted where it holds no temperature.

        Raises:
            ArtifactError: one of its fields is of another kind.
        """
        fitted = "temperature" in card
        try:
            temperature = float(card.get("temperature", 1.0))
            thresholds = {
                str(name): None if value is None else float(value)
                for name, value in dict(card.get("thresholds") or {}).items()
            }
            energy = (card.get("familiarity") or {}).get("energy")
            bound = None if energy is None else float(energy)
            default = float(card.get("threshold", DEFAULT_THRESHOLD))
        except (AttributeError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"model card: {error}, expected temperature, thresholds and familiarity as numbers",
                hint="train the model again",
            ) from error
        if not (np.isfinite(temperature) and temperature > 0):
            raise ArtifactError(f"model card: temperature {temperature}, expected above 0")
        return cls(temperature, thresholds, bound, default, fitted=fitted)


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


def measure_verdicts(answers: Answers, trust: Trust) -> dict[str, Any]:
    """What the verdicts come to on these photos, as `verdict` would give them one by one.

    Returns:
        `named`, `below_threshold`, `unfamiliar` (photos), `coverage` (share named), `accuracy`
        (share of the named that are right; None if none is named).
    """
    ranked = rank(answers, trust.temperature)
    limits = np.array([_limit(trust, name) for name in answers.classes])
    unfamiliar = _unfamiliar(answers, trust)
    below = ~unfamiliar & (ranked.confidence < limits[ranked.best])
    named = ~unfamiliar & ~below
    return {
        "named": int(named.sum()),
        "below_threshold": int(below.sum()),
        "unfamiliar": int(unfamiliar.sum()),
        "coverage": float(named.mean()),
        "accuracy": float(ranked.right[named].mean()) if named.any() else None,
    }


def measure_multi_label_verdicts(answers: Answers, trust: Trust) -> dict[str, Any]:
    """Precision, recall and F1 of naming every category at its threshold, over all of them."""
    right = named = own = 0
    for name, one in zip(answers.classes, against_rest(answers, trust.temperature), strict=True):
        above = one.scores >= _limit(trust, name)
        right += int((above & one.own).sum())
        named, own = named + int(above.sum()), own + one.positives
    return {
        "precision": right / named if named else None,
        "recall": right / own if own else None,
        "f1": 2 * right / (named + own) if right else 0.0,
    }


def _limit(trust: Trust, name: str) -> float:
    value = trust.thresholds.get(name, trust.default)
    return float("inf") if value is None else value


def _unfamiliar(answers: Answers, trust: Trust) -> NDArray[np.bool_]:
    if trust.bound is None or not answers.has_energy:
        return np.zeros(len(answers), bool)
    found: NDArray[np.bool_] = energies(answers.logits) < trust.bound
    return found
