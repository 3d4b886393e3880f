"""A training job's metrics: what its regular expressions find in its log."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import now
from infra.sagemaker.errors import ValidationException

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def check_definitions(definitions: list[dict[str, str]]) -> None:
    """Refuse what is not a regular expression.

    Raises:
        ValidationException: naming the metric.
    """
    for definition in definitions:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            raise ValidationException(
                f"Invalid regex {definition['Regex']!r} of metric {definition['Name']}: {error}"
            ) from None


class Patterns:
    """The regular expressions of a job; the first group of each is its metric's number."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        self._patterns = {one["Name"]: re.compile(one["Regex"]) for one in definitions}

    def find(self, lines: Iterable[str]) -> Iterator[tuple[str, float]]:
        """Each metric's name and value, where a line tells one."""
        for line in lines:
            for name, pattern in self._patterns.items():
                value = _number(pattern.search(line))
                if value is not None:
                    yield name, value


def final_metrics(log: Path, definitions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """MetricData of every metric that the log gives a number for: the last one."""
    with log.open(errors="replace") as lines:
        last = dict(Patterns(definitions).find(lines))
    moment = now()
    return [
        {"MetricName": name, "Value": value, "Timestamp": moment} for name, value in last.items()
    ]


def _number(match: re.Match[str] | None) -> float | None:
    if match is None or not match.re.groups or match[1] is None:
        return None
    try:
        value = float(match[1])
    except ValueError:
        return None
    return value if math.isfinite(value) else None  # JSON has no word for the others
