"""HTML in pieces that escape what they are given: text, tags, tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is markup already. All other text is escaped where it is put into a tag."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str) -> Html:
    """An element; plain text is escaped, `Html` is not. `class_` is the attribute class."""
    names = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{names}>{join(content)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Pieces one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str,
    *,
    words: Iterable[int] = (),
    foot: Iterable[Sequence[str]] = (),
) -> Html:
    """A table that scrolls by itself where it is wide.

    Args:
        head: the columns' names.
        rows: cells; the first of a row is its header, the others are figures.
        caption: what the table shows.
        words: the columns, by number, that hold words in place of figures.
        foot: rows that sum up.
    """
    left = {0, *words}
    columns = join(
        tag("th", name, scope="col", **({} if n in left else {"class_": "figure"}))
        for n, name in enumerate(head)
    )
    feet = [_row(row, left) for row in foot]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", columns)),
            tag("tbody", *(_row(row, left) for row in rows)),
            *([tag("tfoot", *feet)] if feet else []),
        ),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def _row(cells: Sequence[str], left: set[int]) -> Html:
    first, *others = cells
    figures = (
        tag("td", cell, **({} if n in left else {"class_": "figure"}))
        for n, cell in enumerate(others, 1)
    )
    return tag("tr", tag("th", first, scope="row"), *figures)


def section(key: str, title: str, intro: str, *content: Html) -> Html:
    """A part of the page with its heading and a sentence that says how to read it."""
    words = [tag("p", intro, class_="intro")] if intro else []
    heading = tag("h2", title, id=f"{key}-title")
    return tag("section", heading, *words, *content, id=key, aria_labelledby=f"{key}-title")


def percent(value: float | None, digits: int = 1) -> str:
    """0.9061 -> "90.6 %", which does not break across lines; None -> an en dash."""
    return "\N{EN DASH}" if value is None else f"{value * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def decimals(value: float | None, digits: int = 3) -> str:
    """0.90614 -> "0.906"; None -> an en dash."""
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}"
