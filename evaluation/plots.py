"""The report's plots, each as SVG markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from evaluation.drawing import ACCENT, CARD, INK, LINE, QUIET, SECOND, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from evaluation.markup import Html

_COUNTS_UP_TO = 15
_LABEL_LENGTH = 18
_DARK = 0.55


def curves(
    history: Sequence[Mapping[str, Any]], series: Mapping[str, str], key: str, name: str
) -> Html | None:
    """One line per series over the epochs; None where the history has none of them.

    Args:
        history: an epoch each: `number`, from 0, and figures; what is missing leaves a gap.
        series: name of a figure -> word in the legend.
        key: of the drawing.
        name: what the vertical axis shows.
    """
    found = {word: points for field, word in series.items() if (points := _points(history, field))}
    if not found:
        return None
    with Drawing() as drawing:
        axes = drawing.axes
        for (word, points), colour in zip(found.items(), (ACCENT, SECOND), strict=False):
            marker = "o" if len(points) == 1 else ""
            axes.plot(*zip(*points, strict=True), color=colour, label=word, marker=marker)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        if len(found) > 1:
            axes.legend()
        last = ", ".join(f"{word} {points[-1][1]:.4g}" for word, points in found.items())
        return drawing.svg(key, f"{name} by epoch; at the last: {last}")


def _points(history: Sequence[Mapping[str, Any]], field: str) -> list[tuple[float, float]]:
    return [
        (epoch.get("number", n) + 1, epoch[field])
        for n, epoch in enumerate(history)
        if epoch.get(field) is not None
    ]


def reliability_diagram(
    series: Mapping[str, Sequence[Mapping[str, Any]]],
    key: str,
    names: tuple[str, str] = ("confidence", "right"),
) -> Html:
    """Accuracy over confidence, a line per series (of at most two), beside the diagonal.

    Args:
        series: word in the legend -> bins of `calibration.reliability`.
        key: of the drawing.
        names: of the horizontal and the vertical axis.
    """
    with Drawing(4.6, 3.8) as drawing:
        axes = drawing.axes
        axes.plot((0, 1), (0, 1), color=QUIET, linestyle=":", linewidth=1.2, label="perfect")
        for (word, bins), colour in zip(series.items(), (SECOND, ACCENT), strict=False):
            places = [entry["confidence"] for entry in bins]
            heights = [entry["accuracy"] for entry in bins]
            axes.plot(places, heights, color=colour, marker="o", markersize=4, label=word)
        _percentages(axes, *names)
        axes.legend()
        return drawing.svg(
            key, f"Share of photos ({names[1]}) over {names[0]}: {', '.join(series)}"
        )


def coverage_plot(points: Sequence[Mapping[str, float]], key: str) -> Html:
    """Accuracy over the share of photos answered."""
    with Drawing() as drawing:
        axes = drawing.axes
        answered = [point["coverage"] for point in points]
        heights = [point["accuracy"] for point in points]
        axes.plot(answered, heights, color=ACCENT, marker="o", markersize=3.5)
        _percentages(axes, "photos answered", "right of those")
        lowest = min(heights)
        axes.set_ylim(max(0, lowest - 0.1 * (1.02 - lowest)), 1.0 + 0.05 * (1.02 - lowest))
        words = f"Of all photos {heights[-1]:.1%} right, of the surest {answered[0]:.0%}"
        return drawing.svg(key, f"{words} {heights[0]:.1%}")


def _percentages(axes: Axes, across: str, up: str) -> None:
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
    axes.grid()


def matrix_plot(matrix: Sequence[Sequence[int]], classes: Sequence[str], key: str) -> Html:
    """The confusion matrix, shaded by the share of each label's photos, with counts if few."""
    size = len(classes)
    side = min(9.0, 2.9 + 0.42 * size) if size <= _COUNTS_UP_TO else 9.0
    with Drawing(side, side) as drawing:
        axes = drawing.axes
        for row, counts in enumerate(matrix):
            _shade_row(axes, row, counts)
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.set_aspect("equal")
        names = [_short(name) for name in classes]
        points = 10 if size <= _COUNTS_UP_TO else max(6, 330 / size)
        axes.set_xticks(range(size), names, rotation=90 if size > 3 else 0, fontsize=points)  # noqa: PLR2004 (three names fit side by side)
        axes.set_yticks(range(size), names, fontsize=points)
        axes.tick_params(length=0)
        axes.set_xlabel("answer")
        axes.set_ylabel("label")
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE)
        right = sum(matrix[k][k] for k in range(size))
        words = f"Confusion matrix of {size} categories, {right:,} photos on its diagonal"
        return drawing.svg(key, f"{words}; the pairs are in the table below")


def _shade_row(axes: Axes, row: int, counts: Sequence[int]) -> None:
    total = sum(counts)
    for place, count in enumerate(counts):
        if not count:
            continue
        share = count / total
        colour = ACCENT if row == place else SECOND
        shade = 0.12 + 0.88 * share
        corner = (place - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=shade, linewidth=0))
        if len(counts) <= _COUNTS_UP_TO:
            ink = CARD if shade > _DARK else INK
            points = 9 if count < 10_000 else 7  # noqa: PLR2004 (five digits must fit)
            axes.text(place, row, f"{count}", ha="center", va="center", color=ink, fontsize=points)


def _short(name: str) -> str:
    return (
        name
        if len(name) <= _LABEL_LENGTH
        else f"{name[: _LABEL_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"
    )
