"""What a Lambda function may be: timeout, memory, variables, bundle. Stock MiniStack takes any.

Source: AWS Lambda developer guide, *Lambda quotas*; the words are the service's own.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import responses
from ministack.services import lambda_svc

Record = dict[str, Any]

RANGES = {"Timeout": (1, 900), "MemorySize": (128, 10_240)}
"""Seconds and megabytes."""

VARIABLES_BYTES = 4096
"""Names and values of a function's variables, as JSON."""

ZIP_BYTES = 50 * 1024**2
"""Of a bundle inside a request; one in S3 may be as large as it is allowed to be unpacked."""

REQUEST_BYTES = 70_167_211
"""The limit of which Lambda speaks when a bundle inside a request is too large."""

_stock_create = lambda_svc._create_function  # noqa: SLF001
_stock_update_config = lambda_svc._update_config  # noqa: SLF001
_stock_update_code = lambda_svc._update_code  # noqa: SLF001


def install() -> None:
    """Hold the three operations that make and change functions to Lambda's limits."""
    lambda_svc._create_function = create_function  # noqa: SLF001
    lambda_svc._update_config = update_config  # noqa: SLF001
    lambda_svc._update_code = update_code  # noqa: SLF001


def create_function(data: Record) -> Any:
    """CreateFunction."""
    bundle = (data.get("Code") or {}).get("ZipFile")
    refusal = configuration_error(data) or bundle_error(bundle, "CreateFunction")
    return refusal or _stock_create(data)


def update_config(name: str, data: Record) -> Any:
    """UpdateFunctionConfiguration."""
    return configuration_error(data) or _stock_update_config(name, data)


def update_code(name: str, data: Record) -> Any:
    """UpdateFunctionCode."""
    refusal = bundle_error(data.get("ZipFile"), "UpdateFunctionCode")
    return refusal or _stock_update_code(name, data)


def configuration_error(data: Record) -> Any | None:
    """The answer to a configuration beyond Lambda's limits; None for one within."""
    for member, (least, most) in RANGES.items():
        value = data.get(member)
        if isinstance(value, int) and not least <= value <= most:
            bound = f"less than or equal to {most}"
            if value < least:
                bound = f"greater than or equal to {least}"
            return responses.error_response_json(
                "ValidationException",
                f"1 validation error detected: Value '{value}' at "
                f"'{member[0].lower()}{member[1:]}' failed to satisfy constraint: Member must have "
                f"value {bound}",
                400,
            )
    variables = (data.get("Environment") or {}).get("Variables") or {}
    measured = json.dumps(variables, ensure_ascii=False, separators=(",", ":"))
    if len(measured.encode()) > VARIABLES_BYTES:
        return responses.error_response_json(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. String measured: {measured}",
            400,
        )
    return None


def bundle_error(bundle: str | bytes | None, operation: str) -> Any | None:
    """The answer to a bundle that is too large for a request; None for one that is not."""
    if bundle is None or _size(bundle) <= ZIP_BYTES:
        return None
    return responses.error_response_json(
        "RequestEntityTooLargeException",
        f"Request must be smaller than {REQUEST_BYTES} bytes for the {operation} operation",
        413,
    )


def _size(bundle: str | bytes) -> int:
    """Bytes of a bundle, which requests carry as base64."""
    if isinstance(bundle, bytes):
        return len(bundle)
    return len(bundle) * 3 // 4 - bundle[-2:].count("=")
