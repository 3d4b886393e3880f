"""The page's sections, one for each kind of finding; one with nothing to say is left away."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from contracts import LEFT_OUT_FILE, SPLITS
from recordio_prep.check.markup import Html, bars, join, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recordio_prep.check.findings import Balance, Check, Copies, Example, Family, Found

_LEVEL_NAMES = ("Top level", "Second level", "Third level")
_LEAKS = (
    "A photo that the network learns from and is then tested on makes the test look better than "
    "it is. The split of photos that snapshelf itself makes keeps each group on one side; these "
    "lie in the folders that were given."
)
_CONFLICTS = (
    "The same photo under different categories: at least one of them is wrong, or the categories "
    "overlap."
)
_WITHIN = (
    "They count double in training. The split keeps each group on one side, so they do not "
    "falsify the test."
)
_SINGLE = "Empty, covered or failed photos: their pixels hardly differ."
_ODD = (
    "Measured by brightness, contrast and colour, against what is usual in the category. That "
    "finds screenshots, drawings, night shots and odd lights. It does not know what a photo "
    "shows: a neat photo of the wrong thing is not here, and one that is here may well be right."
)


def sections(check: Check) -> Iterator[Html]:
    """All sections of a check, those that need a look first."""
    for key, title, text, families in (
        ("leaks", "In more than one of photos, validation and test", _LEAKS, check.leaks),
        ("conflicts", "Under different categories", _CONFLICTS, check.conflicts),
        ("duplicates", "Several times in one category", _WITHIN, check.within),
    ):
        if families.families:
            yield _section(key, title, text, _counted(families), _families(check, families))
    yield from _photos(check, "single-colour", "Of a single colour", _SINGLE, check.single_colour)
    yield from _photos(check, "odd", "Unlike their category", _ODD, check.odd)
    if check.reasons:
        yield _left_out(check)
    yield _categories(check)
    if check.splits:
        yield _splits(check)
    yield _sizes(check)


def _section(key: str, title: str, text: str, *content: Html) -> Html:
    intro = [tag("p", text, class_="intro")] if text else []
    return tag("section", tag("h2", title, id=f"{key}-title"), *intro, *content, id=key)


def _counted(families: Copies) -> Html:
    parts = [
        f"{count:,} {'group' if count == 1 else 'groups'} {what}"
        for count, what in (
            (families.exact, "of identical files"),
            (families.near, "saved another way"),
        )
        if count
    ]
    text = f"{' and '.join(parts)}, {families.photos:,} photos in all."
    more = families.families - len(families.examples)
    return tag("p", text + (f" The {len(families.examples)} largest are shown." if more else ""))


def _families(check: Check, families: Copies) -> Html:
    return tag("div", *(_family(check, one) for one in families.examples), class_="families")


def _family(check: Check, family: Family) -> Html:
    more = family.count - len(family.members)
    kind = "identical files" if family.exact else "saved another way"
    note = f"{family.count:,} photos, {kind}" + (f", {more:,} not shown" if more else "")
    figures = (_figure(check, member) for member in family.members)
    return tag("article", tag("p", note, class_="quiet"), tag("div", *figures, class_="row"))


def _figure(check: Check, example: Example) -> Html:
    label = ", ".join(example.categories) or "no category"
    where = f"{label} ({example.part})" if len(check.listed) > 1 else label
    return tag(
        "figure",
        _picture(check, example),
        tag(
            "figcaption",
            tag("strong", where),
            tag("span", example.path, class_="path"),
            *([tag("em", example.remark)] if example.remark else []),
        ),
    )


def _picture(check: Check, example: Example) -> Html:
    data = base64.b64encode(check.pictures.get(example.id, b"")).decode()
    picture = tag(
        "img",
        src=f"data:image/jpeg;base64,{data}",
        alt=f"The photo {example.path}",
        width="112",
        height="112",
    )
    return Html(picture.removesuffix("</img>"))


def _gallery(check: Check, examples: Iterable[Example]) -> Html:
    return tag("div", *(_figure(check, example) for example in examples), class_="row")


def _photos(check: Check, key: str, title: str, text: str, found: Found) -> Iterator[Html]:
    if found.count:
        shown = len(found.examples)
        counted = f"{found.count:,} in all" + (f", {shown} shown." if shown < found.count else ".")
        yield _section(key, title, text, tag("p", counted), _gallery(check, found.examples))


def _left_out(check: Check) -> Html:
    rows = (
        tag(
            "details",
            tag("summary", f"{reason.count:,}: {reason.reason}"),
            tag("ul", *(tag("li", path, class_="path") for path in reason.paths)),
            *([tag("p", "and more", class_="quiet")] if reason.count > len(reason.paths) else []),
        )
        for reason in check.reasons
    )
    text = f"Every file that is not packed stands in {LEFT_OUT_FILE} with its reason."
    return _section("left-out", "Left out", text, *rows)


def _categories(check: Check) -> Html:
    balance = check.balance
    text = (
        f"The largest has {balance.ratio:g} times the photos of the smallest. By their spread, the "
        f"{len(balance.bars):,} categories count like {balance.effective:,.1f} of equal size."
    )
    names = [
        tag("p", f"Nearly the same name: {one} and {other}", class_="calm")
        for one, other in check.similar_names
    ]
    unknown = [
        tag("p", f"Only in validation or test: {name}", class_="calm")
        for name in check.unknown[:20]
    ]
    levels = [
        tag("details", tag("summary", _level(level, number)), _bars(level))
        for number, level in enumerate(check.levels[:-1])
    ]
    return _section("categories", "Categories", text, *unknown, *names, _bars(balance), *levels)


def _level(level: Balance, number: int) -> str:
    name = _LEVEL_NAMES[number] if number < len(_LEVEL_NAMES) else f"Level {number + 1}"
    return (
        f"{name} of the tree: {len(level.bars):,} names, largest to smallest {level.ratio:g}, "
        f"like {level.effective:,.1f} of equal size"
    )


def _bars(balance: Balance) -> Html:
    return bars(balance.bars, "Category", "Photos by category")


def _splits(check: Check) -> Html:
    splits = [split for split in SPLITS if check.records.get(split)]
    head = ("Category", *(split.capitalize() for split in splits))
    rows = [
        (row.category, *(f"{row.records.get(split, 0):,}" for split in splits))
        for row in check.splits
    ]
    total = ("All records", *(f"{check.records[split]:,}" for split in splits))
    text = "Records as written, by category."
    first, rest = rows[:40], rows[40:]
    folded = tag(
        "details", tag("summary", f"{len(rest):,} more"), table(head, rest, "Records: the rest")
    )
    return _section(
        "splits",
        "Splits",
        text,
        table(head, [total, *first], "Records by category and split"),
        *([folded] if rest else []),
    )


def _sizes(check: Check) -> Html:
    shapes = check.shapes
    charts = tag(
        "div",
        bars(shapes.sides, "Shorter side", "Photos by their shorter side"),
        bars(shapes.ratios, "Width to height", "Photos by width to height"),
        bars(shapes.formats, "Format", "Photos by file format"),
        class_="columns",
    )
    galleries = [
        join([tag("h3", title), _gallery(check, examples)])
        for title, examples in (
            (f"Smaller than {check.size} pixels: {shapes.upscaled:,}", shapes.upscaled_examples),
            (f"Long or tall: {shapes.extreme:,}", shapes.extreme_examples),
        )
        if examples
    ]
    text = f"Every photo becomes {check.size} x {check.size} pixels."
    return _section("sizes", "Sizes and shapes", text, charts, *galleries)
