"""What every page of ours has: its head, its header with tiles and links, its pictures."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from typing import TYPE_CHECKING

from evaluation.markup import Html, join, tag
from evaluation.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MAGIC = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"RI": "webp"}


def frame(title: str, tiles: Iterable[tuple[str, str, str]], parts: Sequence[Html]) -> str:
    """The whole page. The policy in it allows its own style and pictures, and nothing else.

    Args:
        title: of the page.
        tiles: name, value and remark of the figures on top.
        parts: sections, to which the header links.
    """
    body = join([_header(title, tiles, parts), tag("main", *parts)])
    return f"{_head(title)}<body>\n{body}\n</body>\n</html>\n"


def picture(data: bytes | None, words: str) -> Html:
    """An image within the page.

    Args:
        data: JPEG, PNG or WebP; anything else is shown as a place without a picture.
        words: what it shows, for those who do not see it.
    """
    kind = _MAGIC.get((data or b"")[:2])
    if data is None or kind is None:
        return tag("p", "no picture", class_="none")
    encoded = base64.b64encode(data).decode()
    image = tag("img", src=f"data:image/{kind};base64,{encoded}", alt=words)
    return Html(join([image]).removesuffix("</img>"))


def _head(title: str) -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
    )


def _header(title: str, tiles: Iterable[tuple[str, str, str]], parts: Sequence[Html]) -> Html:
    links = [_link(part) for part in parts]
    return tag(
        "header",
        tag("p", "snapshelf", class_="brand"),
        tag("h1", title),
        tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles"),
        tag("nav", tag("ul", *(tag("li", link) for link in links)), aria_label="Parts"),
    )


def _tile(name: str, value: str, remark: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", remark, class_="quiet"))


def _link(part: Html) -> Html:
    """A link to a section, by its own id and heading."""
    found = re.match(r'<section id="([\w-]+)".*?<h2[^>]*>(.*?)</h2>', part)
    if found is None:
        return Html("")
    return tag("a", Html(found[2]), href=f"#{found[1]}")
