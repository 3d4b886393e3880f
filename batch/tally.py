"""A table summed up by category, with the photos that a person should look at first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batch.accuracy import class_in_name
from contracts import NO_VERDICT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batch.table import Row

MOST_OF_A_CATEGORY = 24
"""Photos that a page shows of a category."""

_MOST_FAILURES = 200


@dataclass(slots=True)
class Category:
    """The photos that were answered with one class.

    Attributes:
        name: the class's name, or its number.
        photos: how many.
        unsure: of these, those whose verdict is none.
        confident: how many have a confidence, and `confidence` is their sum.
        first: the least confident photos, a heap; see `least_confident`.
    """

    name: str
    photos: int = 0
    unsure: int = 0
    confident: int = 0
    confidence: float = 0.0
    first: list[tuple[float, int, Row]] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count a photo, and keep it if it is among the least confident."""
        self.photos += 1
        self.unsure += row.verdict == NO_VERDICT
        if row.confidence is not None:
            self.confident += 1
            self.confidence += row.confidence
        # The heap's smallest is what goes first: the most confident, of equals the last.
        entry = (-(1.0 if row.confidence is None else row.confidence), -self.photos, row)
        if len(self.first) < MOST_OF_A_CATEGORY:
            heapq.heappush(self.first, entry)
        else:
            heapq.heappushpop(self.first, entry)

    @property
    def mean_confidence(self) -> float | None:
        """0..1; None where the table tells none."""
        return self.confidence / self.confident if self.confident else None

    def least_confident(self, most: int) -> list[Row]:
        """The first `most` photos to look at; without confidences, in the table's order."""
        return [row for _, _, row in sorted(self.first, key=lambda each: (-each[0], -each[1]))][
            :most
        ]


@dataclass(slots=True)
class Tally:
    """All photos of a table.

    Attributes:
        categories: by the class's number.
        photos: how many there are.
        failed: those without an answer; `failures` are the first.
        labelled, right: photos whose names carry their class, and those of them that are right.
    """

    categories: dict[int, Category] = field(default_factory=dict)
    photos: int = 0
    failed: int = 0
    failures: list[Row] = field(default_factory=list)
    labelled: int = 0
    right: int = 0

    @property
    def unsure(self) -> int:
        """Photos whose verdict is none."""
        return sum(each.unsure for each in self.categories.values())

    def add(self, row: Row) -> None:
        """Count a photo."""
        self.photos += 1
        if row.prediction is None:
            self.failed += 1
            if len(self.failures) < _MOST_FAILURES:
                self.failures.append(row)
            return
        name = row.label or f"class {row.prediction}"
        self.categories.setdefault(row.prediction, Category(name)).add(row)
        label = class_in_name(row.filename)
        if label is not None:
            self.labelled += 1
            self.right += label == row.prediction


def tally(rows: Iterable[Row]) -> Tally:
    """Sum a table up; memory holds two dozen rows a category, however many there are."""
    found = Tally()
    for row in rows:
        found.add(row)
    return found
