"""Findings as problems: a stable code, a severity, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordio_prep.check.findings import Problem
from recordio_prep.check.shapes import MAX_ASPECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordio_prep.check.findings import Check, Severity

LARGEST_RATIO = 10
"""Largest to smallest category at which classes of few photos are learnt markedly worse (Buda, Maki
and Mazurowski, *A systematic study of the class imbalance problem*, 2018, find it from 10 on)."""

FEWEST_PHOTOS = 10
"""Photos below which a category can hardly be divided, let alone learnt."""

_SEVERITIES = ("error", "warning", "note")


def problems_of(check: Check) -> tuple[Problem, ...]:
    """What is wrong, errors first, in an order that does not depend on counts."""
    found = [
        problem
        for part in (_of_copies, _of_files, _of_categories, _of_looks)
        for problem in part(check)
        if problem.count
    ]
    return tuple(sorted(found, key=lambda problem: _SEVERITIES.index(problem.severity)))


def _problem(code: str, severity: Severity, count: int, text: str, hint: str) -> Problem:
    """`text` has {} for the count, and a{s} for what is counted."""
    message = text.format(f"{count:,}", s="" if count == 1 else "s")
    return Problem(code, severity, count, message, hint)


def _of_copies(check: Check) -> Iterator[Problem]:
    yield _problem(
        "leaks",
        "error",
        check.leaks.families,
        "{} group{s} of the same photo in more than one of photos, validation and test",
        "remove them from the test side: what was learnt by heart counts there as right",
    )
    yield _problem(
        "conflicting_labels",
        "error",
        check.conflicts.exact,
        "{} group{s} of identical files under different categories",
        "keep each in the category that it belongs to",
    )
    yield _problem(
        "conflicting_labels_near",
        "warning",
        check.conflicts.near,
        "{} group{s} of the same photo, saved another way, under different categories",
        "look at them on the page: keep each in the category that it belongs to",
    )
    yield _problem(
        "duplicates",
        "note",
        check.within.families,
        "{} group{s} of the same photo within a category",
        "they count double in training; the split keeps each group on one side",
    )

    yield _problem(
        "uncompared",
        "note",
        check.uncompared,
        "{} pair{s} of photos that look alike at first sight were not compared: there are too many",
        "some photos that show the same may not have been found",
    )


def _of_files(check: Check) -> Iterator[Problem]:
    yield _problem(
        "unreadable",
        "warning",
        check.left_out.get("unreadable", 0),
        "{} photo{s} that cannot be read",
        "left_out.csv has each with its reason; replace or remove them",
    )
    yield _problem(
        "other_files",
        "note",
        check.left_out.get("other", 0),
        "{} other file{s}, not meant to be photos",
        "left_out.csv lists them",
    )
    yield _problem(
        "dropped",
        "note",
        check.left_out.get("dropped", 0),
        "{} photo{s} left out as an option asked",
        "left_out.csv lists them",
    )


def _of_categories(check: Check) -> Iterator[Problem]:
    small = sum(1 for bar in check.balance.bars if bar.count < FEWEST_PHOTOS)
    uneven = check.balance.ratio > LARGEST_RATIO
    yield _problem(
        "unknown_categories",
        "error",
        len(check.unknown),
        "{} categor{ies} of validation or test without a photo to learn from".replace(
            "{ies}", "y" if len(check.unknown) == 1 else "ies"
        ),
        "add photos of them, or take them out of validation and test",
    )
    yield _problem(
        "small_categories",
        "warning",
        small,
        f"{{}} categor{'y' if small == 1 else 'ies'} of fewer than {FEWEST_PHOTOS} photos",
        "add photos, or merge them with a category nearby",
    )
    yield _problem(
        "imbalance",
        "warning",
        int(uneven),
        f"The largest category has {check.balance.ratio:g} times the photos of the smallest",
        "add photos to the small ones, or train with class_weights=balanced",
    )
    yield _problem(
        "similar_names",
        "warning",
        len(check.similar_names),
        "{} pair{s} of categories whose names are nearly the same",
        "merge them if they mean the same",
    )


def _of_looks(check: Check) -> Iterator[Problem]:
    yield _problem(
        "single_colour",
        "warning",
        check.single_colour.count,
        "{} photo{s} of a single colour",
        "remove them: they show nothing to learn from",
    )
    yield _problem(
        "upscaled",
        "note",
        check.shapes.upscaled,
        f"{{}} photo{{s}} smaller than the {check.size} pixels that they are prepared to",
        "they are enlarged, and blurred by it; take larger ones, or a smaller --size",
    )
    yield _problem(
        "extreme_shapes",
        "note",
        check.shapes.extreme,
        f"{{}} photo{{s}} more than {MAX_ASPECT} times as long as wide",
        "squashed to a square, they are distorted: try `--fit pad` or `--fit crop`",
    )
    yield _problem(
        "odd_ones",
        "note",
        check.odd.count,
        "{} photo{s} unlike the others of their category",
        "look at some on the page: they may be mislabelled, or just unusual",
    )
