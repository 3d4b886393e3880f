"""What makes an artifact's answers trustworthy, as the model card stores it.

Standard library alone, so that hosting need not install what fits it (`evaluation.fitting`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts import DEFAULT_THRESHOLD, ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    def threshold(self, category: str) -> float | None:
        """From which probability on a category is named; None: never."""
        return self.thresholds.get(category, self.default)

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
        if not (math.isfinite(temperature) and temperature > 0):
            raise ArtifactError(f"model card: temperature {temperature}, expected above 0")
        return cls(temperature, thresholds, bound, default, fitted=fitted)
