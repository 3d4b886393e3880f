"""What a service model demands of values: broken constraints and wrong types, in AWS's words."""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING, Any
from unicodedata import category

from infra.sagemaker.errors import SerializationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.model import Shape

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int, float),  # a fraction is cut off, as AWS does
    "long": (int, float),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "blob": (bytes,),  # a runtime request's body
}
_CLASSES = {
    "string": "a String",
    "boolean": "a Boolean",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "timestamp": "a Date",
}
_CONTAINERS = ("structure", "list", "map")

_CATEGORY = re.compile(r"\\p\{([LMNPSZ])\}")

_ASSIGNED = (range(0x33480), range(0xE0000, 0xE0200))
"""Code points; up to Unicode 15 all others are unassigned or for private use."""

# Java's character classes, as the models' patterns use them, in Python's words.
_JAVA_CLASSES = {
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"[\p{Print}]": r"[\x20-\x7e]",
    r"\p{Print}": r"[\x20-\x7e]",
    r"\z": r"\Z",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff",  # surrogates, as Java counts
    r"\p{Alnum}": "a-zA-Z0-9",
    "${1,128}": "$",  # Java lets an end be repeated
    "${1,256}": "$",
}


def violations(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Broken constraints in AWS's words, at every depth.

    A scalar in a list or map is told of at the list or map, with all that is demanded of it
    (seen in CreateTrainingJob's refusals of `hyperParameters`).

    Args:
        value: as JSON gave it.
        shape: of the service model.
        path: where the value is, e.g. `productionVariants.1.member`; empty for the request itself.

    Raises:
        SerializationException: a value has another JSON type than the model's.
    """
    _check_type(value, shape, path)
    for broken, demand in _demands(shape):
        if broken(value):
            yield _violation(value, shape, path, demand)
    yield from _NESTED.get(shape.type_name, _no_violations)(value, shape, path)


def _check_type(value: Any, shape: Shape, path: str) -> None:
    expected = _JSON_TYPES[shape.type_name]
    if isinstance(value, expected) and (not isinstance(value, bool) or bool in expected):
        return
    where = f"'{path}'" if path else "the request"
    raise SerializationException(f"{_conversion(value, shape.type_name)} (at {where})")


def _conversion(value: Any, wanted: str) -> str:
    """What AWS says of a JSON value that can not become what the model wants."""
    if isinstance(value, list):
        return "Start of list found where not expected"
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if wanted in _CONTAINERS:
        return "Expected list or null" if wanted == "list" else "Expected null"
    kind = "STRING" if isinstance(value, str) else "NUMBER"
    if isinstance(value, bool):
        kind = f"{value}".upper()
    return f"{kind}_VALUE can not be converted to {_CLASSES[wanted]}"


@functools.cache
def _demands(shape: Shape) -> tuple[tuple[Callable[[Any], bool], str], ...]:
    """Each constraint of a shape as whether a value breaks it, and in words, in AWS's order."""
    if enum := getattr(shape, "enum", None):
        words = f"Member must satisfy enum value set: [{', '.join(enum)}]"
        return ((lambda value: value not in enum, words),)
    sized = shape.type_name in ("string", "blob", *_CONTAINERS)
    noun = "length" if sized else "value"

    def size(value: Any) -> Any:
        return len(value) if sized else value

    found: list[tuple[Callable[[Any], bool], str]] = []
    most, least = shape.metadata.get("max"), shape.metadata.get("min")
    if most is not None:
        words = f"Member must have {noun} less than or equal to {most}"
        found.append((lambda value: size(value) > most, words))
    if least is not None:
        words = f"Member must have {noun} greater than or equal to {least}"
        found.append((lambda value: size(value) < least, words))
    if pattern := shape.metadata.get("pattern"):
        matches = _compile(pattern).fullmatch
        words = f"Member must satisfy regular expression pattern: {pattern}"
        found.append((lambda value: not matches(value), words))
    return tuple(found)


def _structure_violations(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _absent(_join(path, name))
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from violations(value[name], member, _join(path, name))


def _list_violations(value: list[Any], shape: Any, path: str) -> Iterator[str]:
    places = [(one, f"{path}.{number}.member") for number, one in enumerate(value, start=1)]
    yield from _element_violations(places, shape.member, "Member", (value, shape, path))


def _map_violations(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    keys = [(key, f"{path}.{key}.key") for key in value]
    values = [(one, f"{path}.{key}.member") for key, one in value.items()]
    yield from _element_violations(keys, shape.key, "Map keys", (value, shape, path))
    yield from _element_violations(values, shape.value, "Map value", (value, shape, path))


def _element_violations(
    places: list[tuple[Any, str]], element: Shape, noun: str, holder: tuple[Any, Shape, str]
) -> Iterator[str]:
    """Of what a list or map holds: of nested ones each by itself, of scalars once for all."""
    yield from (_absent(where) for one, where in places if one is None)
    present = [(one, where) for one, where in places if one is not None]
    if element.type_name in _CONTAINERS:
        for one, where in present:
            yield from violations(one, element, where)
        return
    for one, where in present:
        _check_type(one, element, where)
    demands = _demands(element)
    if any(broken(one) for one, _ in present for broken, _ in demands):
        words = ", ".join(demand for _, demand in demands)
        yield _violation(*holder, f"{noun} must satisfy constraint: [{words}]")


def _no_violations(_value: Any, _shape: Any, _path: str) -> Iterator[str]:
    return iter(())


_NESTED: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": _structure_violations,
    "list": _list_violations,
    "map": _map_violations,
}


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    pattern = _CATEGORY.sub(lambda match: _categories()[match[1]], pattern)
    return re.compile(pattern, re.DOTALL)


@functools.cache
def _categories() -> dict[str, str]:
    """Unicode's main categories by letter, as the inside of a class."""
    inside: dict[str, str] = {}
    for letter, group in itertools.groupby(
        itertools.chain(*_ASSIGNED), lambda code: category(chr(code))[0]
    ):
        first, *rest = group
        last = rest[-1] if rest else first
        inside[letter] = f"{inside.get(letter, '')}\\U{first:08x}-\\U{last:08x}"
    return inside


def _join(path: str, member: str) -> str:
    lowered = member[0].lower() + member[1:]
    return f"{path}.{lowered}" if path else lowered


def _absent(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _violation(value: Any, shape: Shape, path: str, demand: str) -> str:
    """AWS's sentence; it keeps a value to itself that the model calls sensitive."""
    said = "Value" if shape.metadata.get("sensitive") else f"Value '{_as_java(value)}'"
    return f"{said} at '{path}' failed to satisfy constraint: {demand}"


def _as_java(value: Any) -> str:
    """As Java's toString has it: `{epochs=1}`, `[a, b]`, `true`."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_as_java(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_java, value))}]"
    return f"{value}".lower() if isinstance(value, bool) else f"{value}"
