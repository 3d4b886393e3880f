"""Draws docs/schedules/*.svg, a learning-rate schedule each: `python -m docs.drawings`.

The curves are `training.schedules.learning_rate` itself. The colours are halfway between black and
white, so that one drawing can be read on either.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from training.hyperparameters import Hyperparameters
from training.schedules import learning_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).with_name("schedules")

EPOCHS, RATE, WARMUP_EPOCHS = 20, 0.1, 4
POINTS_AN_EPOCH = 32

SCORES = (*np.linspace(0.5, 0.8, 6), *[0.8] * 3, *np.linspace(0.82, 0.88, 4), *[0.88] * 7)
"""Of `plateau`: validation accuracies that stand still twice."""

LINE, AXES = "#2f81f7", "#7d8590"
_SIZE = (3.4, 1.7)  # inches of 72 points
_FRAME = (0.13, 0.25, 0.84, 0.69)  # fixed, so that no font moves the curve
_STYLE = {
    "svg.hashsalt": "snapshelf",  # equal names of clip paths from run to run
    "svg.fonttype": "none",
    "font.size": 8,
    "font.family": "sans-serif",
    "text.color": AXES,
    "axes.edgecolor": AXES,
    "axes.labelcolor": AXES,
    "xtick.color": AXES,
    "ytick.color": AXES,
}
_CURVE = re.compile(r'<g id="rate">\s*<path d="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Drawing:
    """One curve.

    Attributes:
        settings: hyperparameters as strings, besides those that all drawings share.
        scores: of `plateau`, the validation accuracy of each epoch.
    """

    settings: Mapping[str, str]
    scores: tuple[float, ...] = ()

    def curve(self) -> tuple[list[float], list[float]]:
        """Epochs, from 0 to below EPOCHS, and the rate at each."""
        shared = {"epochs": str(EPOCHS), "learning_rate": str(RATE)}
        settings = Hyperparameters.parse({**shared, **self.settings})
        epochs = [number / POINTS_AN_EPOCH for number in range(EPOCHS * POINTS_AN_EPOCH)]
        rates = [
            learning_rate(settings, epoch, self.scores[: math.floor(epoch)]) for epoch in epochs
        ]
        return epochs, rates


DRAWINGS: dict[str, Drawing] = {
    "exponential": Drawing({"lr_schedule": "exponential", "lr_decay": "0.05"}),
    "constant": Drawing({"lr_schedule": "constant"}),
    "step": Drawing({"lr_scheduler_step": "10,15", "lr_scheduler_factor": "0.5"}),
    "polynomial": Drawing({"lr_schedule": "polynomial", "lr_power": "2"}),
    "cosine": Drawing({"lr_schedule": "cosine"}),
    "cyclical": Drawing({"lr_schedule": "cyclical", "lr_cycle_epochs": "4", "lr_min": "0.01"}),
    "cyclical_exponential": Drawing(
        {"lr_schedule": "cyclical_exponential", "lr_cycle_epochs": "4", "lr_decay": "0.1"}
    ),
    "plateau": Drawing(
        {"lr_schedule": "plateau", "lr_patience": "2", "lr_scheduler_factor": "0.5"}, SCORES
    ),
    "warmup": Drawing({"lr_schedule": "cosine", "warmup_epochs": str(WARMUP_EPOCHS)}),
}
"""By the file's name; every schedule has one of its own name."""


def svg(drawing: Drawing) -> str:
    """The drawing as an SVG document, the same to the byte for the same matplotlib."""
    with rc_context(_STYLE):
        figure = Figure(figsize=_SIZE)
        axes = figure.add_axes(_FRAME)
        (line,) = axes.plot(*drawing.curve(), color=LINE, linewidth=1.8)
        line.set_gid("rate")
        axes.set(xlim=(0, EPOCHS), ylim=(0, RATE * 1.08), xlabel="epoch")
        axes.set_xticks(range(0, EPOCHS + 1, 5))
        axes.set_yticks([0, RATE / 2, RATE])
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return "".join(f"{text.rstrip()}\n" for text in buffer.getvalue().splitlines())


def points(document: str) -> list[tuple[float, float]]:
    """The corners of the curve in an SVG document of `svg`, in its own units.

    Raises:
        ValueError: it holds no curve.
    """
    found = _CURVE.search(document)
    if found is None:
        raise ValueError("the document holds no path in a group `rate`, expected one")
    numbers = [float(text) for text in re.findall(r"-?\d+(?:\.\d+)?", found[1])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def main() -> None:
    """Write every drawing."""
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        (FOLDER / f"{name}.svg").write_text(svg(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
