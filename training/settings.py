"""Fields of a dataclass of settings, each with how it is read from text and what it may be."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WORDS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting may be.

    Attributes:
        read: text to value; raises ValueError.
        holds: whether a value is in range.
        expected: the range in words, as a message has it behind "expected".
        builtin: whether SageMaker's Image Classification has it too.
        about: what it does, for the documentation.
    """

    read: Callable[[str], Any]
    holds: Callable[[Any], bool]
    expected: str
    builtin: bool
    about: str


class Declared:
    """Declares settings of one origin; each method gives a field for a frozen dataclass."""

    def __init__(self, *, builtin: bool) -> None:
        self._builtin = builtin

    def whole(self, default: int, low: int, about: str, *, high: int | None = None) -> Any:
        """An integer of at least `low`, at most `high`."""
        words = {0: "an integer of 0 or more", 1: "an integer above 0"}
        expected = words.get(low, f"an integer of {low} or more")
        if high is not None:
            expected = f"an integer from {low} to {high}"

        def holds(value: int) -> bool:
            return low <= value and (high is None or value <= high)

        return self._field(default, int, holds, expected, about)

    def number(self, default: float, about: str, *, high: float = 1.0) -> Any:
        """A number from 0 to `high`."""

        def holds(value: float) -> bool:
            return 0 <= value <= high

        return self._field(default, float, holds, f"a number from 0 to {high:g}", about)

    def choice(self, default: Any, among: tuple[Any, ...], about: str) -> Any:
        """One of a few words, or of a few integers."""
        listed = ", ".join(str(one) for one in among if one != "")
        read = int if isinstance(among[0], int) else str
        return self._field(default, read, among.__contains__, f"one of {listed}", about)

    def flag(self, about: str, *, default: bool = False) -> Any:
        """0 or 1, true or false."""

        def read(text: str) -> bool:
            try:
                return _WORDS[text.lower()]
            except KeyError:
                raise ValueError(text) from None

        return self._field(default, read, lambda _: True, "1 or 0, True or False", about)

    def other(self, default: Any, read: Callable[[str], Any], expected: str, about: str) -> Any:
        """Anything that `read` reads; its range is checked with the others'."""
        return self._field(default, read, lambda _: True, expected, about)

    def _field(
        self,
        default: Any,
        read: Callable[[str], Any],
        holds: Callable[[Any], bool],
        expected: str,
        about: str,
    ) -> Any:
        rule = Rule(read, holds, expected, self._builtin, about)
        return dataclasses.field(default=default, metadata={"rule": rule})


def rules(kind: Any) -> dict[str, tuple[Rule, Any]]:
    """Every setting's rule and default, in the order of the dataclass."""
    return {
        field.name: (field.metadata["rule"], field.default) for field in dataclasses.fields(kind)
    }


def check(settings: Any) -> None:
    """Raise a TrainingError for the first value that is out of its range."""
    for name, (rule, _) in rules(settings).items():
        value = getattr(settings, name)
        if (isinstance(value, float) and math.isnan(value)) or not rule.holds(value):
            raise out_of_range(name, value, rule.expected)


def out_of_range(name: str, value: Any, expected: str) -> TrainingError:
    """What to raise for a value that cannot be."""
    return TrainingError(
        f"hyperparameter {name}={value!r}: expected {expected}",
        hint=f"`snapshelf train --set {name}=VALUE` changes it",
    )


def parsed(kind: Any, strings: Mapping[str, str]) -> dict[str, Any]:
    """The values of strings, each by its setting's rule.

    Raises:
        TrainingError: a name is unknown, or a text is of another type.
    """
    known = rules(kind)
    unknown = sorted(set(strings) - set(known))
    if unknown:
        raise TrainingError(
            f"unknown hyperparameter {unknown[0]!r}", hint=f"known are {', '.join(sorted(known))}"
        )
    values = {}
    for name, text in strings.items():
        rule, default = known[name]
        try:
            values[name] = rule.read(text.strip())
        except ValueError as error:
            raise TrainingError(
                f"hyperparameter {name}={text!r}: expected {rule.expected}",
                hint=f"its default is {default!r}",
            ) from error
    return values
