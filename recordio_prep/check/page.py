"""A check as one HTML page: pictures inside, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from recordio_prep.check.markup import Html, join, tag
from recordio_prep.check.sections import sections
from recordio_prep.check.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordio_prep.check.findings import Check, Problem

_SECTION_OF = {
    "leaks": "leaks",
    "conflicting_labels": "conflicts",
    "conflicting_labels_near": "conflicts",
    "duplicates": "duplicates",
    "unreadable": "left-out",
    "other_files": "left-out",
    "dropped": "left-out",
    "single_colour": "single-colour",
    "upscaled": "sizes",
    "extreme_shapes": "sizes",
    "odd_ones": "odd",
}
_SEVERITY_WORDS = {"error": "Error", "warning": "Warning", "note": "Note"}


def page(check: Check) -> str:
    """The whole document. The policy in it allows its own style and pictures, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Photo check</title>\n<style>{STYLE}</style>\n</head>\n"
    )
    body = join([_header(check), tag("main", _problems(check.problems), *sections(check))])
    return f"{head}<body>\n{body}\n</body>\n</html>\n"


def _header(check: Check) -> Html:
    photos = sum(check.listed.values())
    left_out = sum(check.left_out.values())
    tiles = [
        ("Photos read", photos, _list(check.listed)),
        ("Categories", len(check.balance.bars), _in_levels(check)),
        ("Left out", left_out, _list({k: n for k, n in check.left_out.items() if n})),
    ]
    if check.records:
        tiles.insert(1, ("Records", sum(check.records.values()), _list(check.records)))
    return tag(
        "header",
        tag("p", "snapshelf", class_="brand"),
        tag("h1", _verdict(check.problems)),
        tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles"),
    )


def _tile(name: str, count: int, remark: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", f"{count:,}"), tag("dd", remark, class_="quiet"))


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _in_levels(check: Check) -> str:
    if not check.levels:
        return "several a photo" if check.multi_label else ""
    places = ("at the top of the tree", *(["below"] * len(check.levels)))
    levels = zip(check.levels[:-1], places, strict=False)
    return ", ".join(f"{len(level.bars):,} {place}" for level, place in levels)


def _verdict(problems: tuple[Problem, ...]) -> str:
    counts = [sum(1 for p in problems if p.severity == name) for name in ("error", "warning")]
    if not any(counts):
        return "These photos look ready to train on"
    words = [
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in zip(counts, ("error", "warning"), strict=True)
        if count
    ]
    return f"{' and '.join(words)} to look at before training"


def _problems(problems: tuple[Problem, ...]) -> Html:
    if not problems:
        return tag("p", "Nothing was found that needs a look.", class_="calm")
    return tag(
        "section",
        tag("h2", "What was found"),
        tag("ul", *(_problem(problem) for problem in problems), class_="problems"),
        id="problems",
        aria_label="Problems",
    )


def _problem(problem: Problem) -> Html:
    section = _SECTION_OF.get(problem.code, "categories")
    return tag(
        "li",
        tag("span", _SEVERITY_WORDS[problem.severity], class_="badge"),
        tag(
            "div",
            tag("a", problem.message, href=f"#{section}"),
            tag("p", problem.hint, class_="quiet"),
        ),
        class_=problem.severity,
    )
