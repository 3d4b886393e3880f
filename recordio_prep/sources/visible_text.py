"""Names from elsewhere as text that a terminal, a log line and a list can show."""

from __future__ import annotations

from recordio_prep.sources.source import printable


def visible(name: object) -> str:
    """The name with everything escaped that steers a terminal or is no UTF-8."""
    text = printable(str(name))
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
