"""A matplotlib figure becomes SVG that a page with a strict policy shows in its own colours."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from evaluation.markup import Html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK, QUIET, LINE = "#1f1d1a", "#665f56", "#e3ddd1"
ACCENT, SECOND, CARD = "#1c6b52", "#b0571a", "#fffdf9"

_NAMES = {
    INK: "ink",
    QUIET: "quiet",
    LINE: "line",
    ACCENT: "accent",
    SECOND: "second",
    CARD: "card",
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: small, found by search, in the page's own font
    "svg.hashsalt": "snapshelf",  # the same figures give the same bytes
    "text.parse_math": False,  # a $ in a category's name is a dollar
    "font.size": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


class Drawing:
    """One figure being drawn; the settings hold within the `with` block, `svg` ends it.

    Attributes:
        axes: to draw on, in the colours above alone.
    """

    axes: Axes

    def __init__(self, width: float = 4.6, height: float = 3.1) -> None:
        self._settings = mpl.rc_context(_SETTINGS)
        self._size = (width, height)

    def __enter__(self) -> Self:
        self._settings.__enter__()
        self._figure = Figure(figsize=self._size, layout="constrained")
        self._figure.patch.set_visible(False)
        self.axes = self._figure.subplots()
        self.axes.patch.set_visible(False)
        return self

    def __exit__(self, *details: object) -> None:
        self._settings.__exit__(None, None, None)

    def svg(self, key: str, words: str) -> Html:
        """The figure's markup.

        Args:
            key: distinct on its page; it sets the figure's own ids apart.
            words: what is to be seen, for those who do not see it.
        """
        buffer = io.BytesIO()
        facts = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas: Any = FigureCanvasSVG(self._figure)  # its methods carry no types
        canvas.print_svg(buffer, metadata=facts)
        root = ET.fromstring(buffer.getvalue())  # noqa: S314 (matplotlib's own, of a moment ago)
        _strip(root)
        for element in root.iter():
            _as_attributes(element)
        _rename_ids(root, key)
        size = root.get("viewBox", "")
        root.attrib.clear()
        root.attrib.update({"viewBox": size, "class": "plot", "role": "img", "aria-label": words})
        for element in root.iter():
            element.tag = element.tag.removeprefix(_SVG)
        return Html(ET.tostring(root, encoding="unicode", short_empty_elements=False))


def _strip(root: ET.Element) -> None:
    """Drop the metadata, and the style sheet that the page's policy would refuse."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)


def _as_attributes(element: ET.Element) -> None:
    """Turn `style`, which the policy refuses, into the attributes that mean the same."""
    for name, value in _declarations(element.attrib.pop("style", "")):
        if name == "font":
            size = re.search(r"[\d.]+px", value)
            element.set("font-size", size[0] if size else "10px")
        elif name != "font-family":
            element.set(name, f"var(--{_NAMES[value]})" if value in _NAMES else value)
    if _LINK in element.attrib:
        element.set("href", element.attrib.pop(_LINK))


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _rename_ids(root: ET.Element, key: str) -> None:
    """Keep the ids that are referred to, and begin them with the key."""
    pattern = re.compile(r"(?<=url\(#)[^)]+|(?<=^#).+")
    used: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href" or value.startswith("url("):
                used.update(pattern.findall(value))
                element.set(name, pattern.sub(lambda found: f"{key}-{found[0]}", value))
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{key}-{own}")
