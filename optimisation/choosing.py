"""Which runtimes an artifact may be answered by, and in which order they are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import DEFAULT_RUNTIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimisation.measuring import Accuracy, Speed

ALLOWED_FALL = 0.005
"""Accuracy, 0..1, that a runtime may at most lack, exclusive: half a point."""

FEWEST_PHOTOS = round(1 / ALLOWED_FALL)
"""With fewer photos a single one is more than half a point."""

WORTH = 1.1
"""What fewer bits, or a further library, must be faster by: a tie goes to what is simpler."""


def held(accuracies: Mapping[str, Accuracy], photos: int) -> dict[str, str]:
    """By runtime, why its accuracy does not hold; empty where it does.

    Args:
        accuracies: by runtime, DEFAULT_RUNTIME among them.
        photos: that they were measured on.
    """
    return {name: _objection(name, accuracies, photos) for name in accuracies}


def _objection(name: str, accuracies: Mapping[str, Accuracy], photos: int) -> str:
    if name == DEFAULT_RUNTIME:
        return ""
    if _is_quantised(name) and photos < FEWEST_PHOTOS:
        return f"{photos} photos tell no half point: expected {FEWEST_PHOTOS} or more"
    fall = accuracies[DEFAULT_RUNTIME].accuracy - accuracies[name].accuracy
    if round(fall, 9) >= ALLOWED_FALL:
        return f"accuracy falls by {fall:.2%}: expected less than {ALLOWED_FALL:.1%}"
    return ""


def fastest_first(speeds: Mapping[str, Speed]) -> list[str]:
    """Runtimes by the median time of one photo, each extra one counted as WORTH times as slow."""

    def cost(name: str) -> float:
        extras = _is_quantised(name) + (not name.startswith("onnxruntime"))
        return speeds[name].median_ms * float(WORTH**extras)

    return sorted(speeds, key=cost)


def _is_quantised(name: str) -> bool:
    return name.endswith("int8")
