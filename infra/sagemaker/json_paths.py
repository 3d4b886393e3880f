"""JSONPath as batch transform's filters use it: a value in, the selected part of it out.

Source: SageMaker developer guide, *Associate Prediction Results with Input Records*, which allows
names, indexes, slices, `*` and lists of these in brackets, and nothing else of JSONPath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonpath
from jsonpath.segments import JSONPathChildSegment
from jsonpath.selectors import IndexSelector, NameSelector, SliceSelector, WildcardSelector

from infra.sagemaker.errors import ValidationException

WHOLE = "$"
"""The filter that leaves everything as it is."""

_ENVIRONMENT = jsonpath.JSONPathEnvironment(strict=True)
_SUPPORTED = (NameSelector, IndexSelector, SliceSelector, WildcardSelector)
_EXPLICIT = (NameSelector, IndexSelector)


class SelectionError(ValueError):
    """The value has no such part."""


@dataclass(frozen=True, slots=True)
class _Selector:
    """The path up to one selector of the last segment; `explicit` ones must find something."""

    path: Any
    explicit: bool
    name: str | None


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that has been read.

    Attributes:
        text: as the request has it.
        definite: it leads to one place, whose value is the result.
    """

    text: str
    definite: bool
    _selectors: tuple[_Selector, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read a path.

        Raises:
            ValidationException: it is none, or uses what the service does not support.
        """
        try:
            path = _ENVIRONMENT.compile(text)
        except jsonpath.JSONPathError as error:
            raise ValidationException(f"Invalid JSONPath {text!r}: {error.args[0]}.") from None
        segments = path.segments if isinstance(path, jsonpath.JSONPath) else ()
        if not isinstance(path, jsonpath.JSONPath) or not all(map(_is_supported, segments)):
            raise ValidationException(
                f"JSONPath {text!r}: expected names, indexes, slices and * below $, for example "
                "$[1:], $.features or $['id','SageMakerOutput']."
            )
        if not segments:
            return cls(text, True, (_Selector(path, True, None),))  # noqa: FBT003
        before, last = segments[:-1], segments[-1].selectors
        stem = "".join(map(str, before))
        selectors = tuple(
            _Selector(_ENVIRONMENT.compile(f"${stem}[{one}]"), *_kind(one)) for one in last
        )
        definite = all(
            len(one.selectors) == 1 and isinstance(one.selectors[0], _EXPLICIT) for one in segments
        )
        return cls(text, definite, selectors)

    @property
    def is_whole(self) -> bool:
        """Whether it selects the value itself."""
        return self.text.strip() == WHOLE

    def select(self, value: Any) -> Any:
        """The part of a JSON value.

        One place gives its value; several names of an object give an object of these; everything
        else an array of what was found, in the order of the path.

        Raises:
            SelectionError: a name or an index that the path spells out is not there.
        """
        found = [(one, one.path.findall(value)) for one in self._selectors]
        if missing := [one for one, values in found if one.explicit and not values]:
            raise SelectionError(f"{missing[0].path}: nothing is there, in a record filtered by it")
        if self.definite:
            return found[0][1][0]
        if all(one.name is not None and len(values) == 1 for one, values in found):
            return {one.name: values[0] for one, values in found}
        return [one for _, values in found for one in values]


def _is_supported(segment: Any) -> bool:
    return isinstance(segment, JSONPathChildSegment) and all(
        isinstance(selector, _SUPPORTED) for selector in segment.selectors
    )


def _kind(selector: Any) -> tuple[bool, str | None]:
    """Whether a selector spells out one place, and the name by which it does."""
    name = selector.name if isinstance(selector, NameSelector) else None
    return isinstance(selector, _EXPLICIT), name
