"""HTML in pieces that escape what they are given: text, tags, bars, tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordio_prep.check.findings import Bar

_MOST_ROWS = 40


class Html(str):
    """Text that is markup already. All other text is escaped where it is put into a tag."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str) -> Html:
    """An element; plain text is escaped, `Html` is not. `class_` is the attribute class."""
    inside = "".join(part if isinstance(part, Html) else escape(part) for part in content)
    names = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{names}>{inside}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Pieces one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def bar(share: float, title: str = "") -> Html:
    """A bar as long as `share`, 0 to 1, of its place. Its figure stands beside it in words."""
    label = tag("title", title) if title else ""
    width = f"{max(0.0, min(1.0, share)) * 100:.1f}"
    track = Html('<rect class="track" width="100" height="8"/>')
    filled = Html(f'<rect class="filled" width="{width}" height="8"/>')
    return tag(
        "svg",
        *([label] if label else []),
        track,
        filled,
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> Html:
    """A table; the first cell of a row is its header, all others are figures."""
    columns = join(tag("th", name, scope="col") for name in head)
    body = join(
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", columns)),
            tag("tbody", body),
        ),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def bars(counts: Sequence[Bar], head: str, caption: str) -> Html:
    """Counts as a table with bars; of very many, the first and last 20, the rest folded."""
    longest = max((entry.count for entry in counts), default=0) or 1
    rows = [(entry.name, bar(entry.count / longest), f"{entry.count:,}") for entry in counts]
    columns = (head, "", "Photos")
    if len(rows) <= _MOST_ROWS:
        return table(columns, rows, caption)
    half = _MOST_ROWS // 2
    folded = rows[half:-half]
    return join(
        [
            table(columns, rows[:half], f"{caption}: the {half} largest"),
            table(columns, rows[-half:], f"{caption}: the {half} smallest"),
            tag(
                "details",
                tag("summary", f"The {len(folded):,} between"),
                table(columns, folded, f"{caption}: the rest"),
            ),
        ]
    )
