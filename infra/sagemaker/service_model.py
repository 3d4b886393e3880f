"""What botocore's own service model says of an operation: its input checked, its output shaped."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import botocore.session

from infra.sagemaker.constraints import violations
from infra.sagemaker.errors import (
    SerializationException,
    UnknownOperationException,
    ValidationException,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

SAGEMAKER = "sagemaker"
RUNTIME = "sagemaker-runtime"
AUTO_SCALING = "application-autoscaling"
MAX_ERRORS = 10

_INTEGER = re.compile("-?[0-9]{1,18}")


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
    found = list(violations(parameters, shape))
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
            is_number = member.type_name == "integer" and _INTEGER.fullmatch(value)
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
    if shape.type_name in ("integer", "long"):
        return int(value)
    return value
