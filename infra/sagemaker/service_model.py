"""What botocore's own service model says of an operation: its input checked, its output shaped."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import botocore.session

from infra.sagemaker.errors import (
    SerializationException,
    UnknownOperationException,
    ValidationException,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

SAGEMAKER = "sagemaker"
AUTO_SCALING = "application-autoscaling"
MAX_ERRORS = 10

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}

# Java's character classes, as the models' patterns use them, in Python's words.
_JAVA_CLASSES = {
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"[\p{Print}]": r"[\x20-\x7e]",
    r"\p{Print}": r"[\x20-\x7e]",
    r"\z": r"\Z",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff",  # surrogates, as Java counts
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{Alnum}": "a-zA-Z0-9",
}


@functools.cache
def load_model(service: str) -> ServiceModel:
    """The service model that botocore has, e.g. of `sagemaker` or `sagemaker-runtime`."""
    return botocore.session.get_session().get_service_model(service)


def operation_model(name: str, service: str = SAGEMAKER) -> OperationModel:
    """The model of one operation.

    Raises:
        UnknownOperationException: the service has no such operation.
    """
    model = load_model(service)
    if name not in model.operation_names:
        called = model.metadata["serviceId"]
        raise UnknownOperationException(f"{called} has no operation {name!r}.")
    return model.operation_model(name)


def check_input(operation: str, parameters: object, service: str = SAGEMAKER) -> dict[str, Any]:
    """The request's members that the model knows; others are ignored, as AWS ignores them.

    Raises:
        SerializationException: a value has the wrong JSON type.
        ValidationException: constraints are broken; all of them are named, in AWS's words.
    """
    shape = operation_model(operation, service).input_shape
    if shape is None:
        return {}
    if not isinstance(parameters, dict):
        raise SerializationException("The request's body must be a JSON object.")
    found = list(_violations(parameters, shape, ""))
    if found:
        plural = "errors" if len(found) > 1 else "error"
        raise ValidationException(
            f"{len(found)} validation {plural} detected: {'; '.join(found[:MAX_ERRORS])}"
        )
    known: dict[str, Any] = select_members(parameters, shape)
    return known


def header_parameters(operation: str, headers: Mapping[str, str], service: str) -> dict[str, Any]:
    """The members of an operation's input that travel as headers, as the model types them.

    Args:
        operation: of a REST service.
        headers: of the request, names in lower case.
        service: as in `load_model`.
    """
    shape: Any = operation_model(operation, service).input_shape
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        value = headers.get(member.serialization.get("name", "").lower())
        if member.serialization.get("location") == "header" and value is not None:
            is_number = member.type_name == "integer" and value.strip("-").isdigit()
            found[name] = int(value) if is_number else value
    return found


def shape_output(
    operation: str, document: dict[str, Any], service: str = SAGEMAKER
) -> dict[str, Any]:
    """The members of `document` that the operation's answer has, at every depth."""
    shape = operation_model(operation, service).output_shape
    if shape is None:
        return {}
    answer: dict[str, Any] = select_members(document, shape)
    return answer


def select_members(value: Any, shape: Shape) -> Any:
    """`value` without structure members that the model does not know or that are null."""
    if shape.type_name == "structure":
        members = shape.members  # type: ignore[attr-defined]  # a StructureShape
        return {
            name: select_members(value[name], member)
            for name, member in members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [select_members(one, shape.member) for one in value]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {key: select_members(one, shape.value) for key, one in value.items()}  # type: ignore[attr-defined]
    return value


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Broken constraints in AWS's words; `path` is empty for the request itself."""
    expected = _JSON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        kind = type(value).__name__
        raise SerializationException(
            f"{path or 'The request'}: {kind} can not be converted to a {shape.type_name}."
        )
    for broken in _broken_constraints(value, shape):
        yield f"{_quoted(value)} at '{path}' failed to satisfy constraint: Member must {broken}"
    yield from _NESTED.get(shape.type_name, _no_violations)(value, shape, path)


def _broken_constraints(value: Any, shape: Shape) -> Iterator[str]:
    limits = shape.metadata
    if enum := getattr(shape, "enum", None):
        if value not in enum:
            yield f"satisfy enum value set: [{', '.join(enum)}]"
        return
    sized = isinstance(value, (str, list, dict))
    size = len(value) if sized else value
    noun = "length" if sized else "value"
    if "min" in limits and size < limits["min"]:
        yield f"have {noun} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"have {noun} less than or equal to {limits['max']}"
    pattern = limits.get("pattern")
    if pattern and not _compile(pattern).fullmatch(value):
        yield f"satisfy regular expression pattern: {pattern}"


def _structure_violations(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            where = _join(path, name)
            yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _violations(value[name], member, _join(path, name))


def _list_violations(value: list[Any], shape: Any, path: str) -> Iterator[str]:
    for position, one in enumerate(value, start=1):
        yield from _violations(one, shape.member, f"{path}.{position}.member")


def _map_violations(value: dict[str, Any], shape: Any, path: str) -> Iterator[str]:
    for key, one in value.items():
        yield from _violations(key, shape.key, f"{path}.{key}.key")
        yield from _violations(one, shape.value, f"{path}.{key}.value")


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
    return re.compile(pattern, re.DOTALL)


def _join(path: str, member: str) -> str:
    lowered = member[0].lower() + member[1:]
    return f"{path}.{lowered}" if path else lowered


def _quoted(value: Any) -> str:
    return f"Value '{value}'"
