"""InvokeEndpointAsync's request: checked, and written down until it has been answered."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import now
from infra.sagemaker.errors import SerializationException, ValidationError, ValidationException
from infra.sagemaker.object_store import S3Location, StorageError
from infra.sagemaker.service_model import check_input, header_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.documents import Document

RUNTIME = "sagemaker-runtime"
OPERATION = "InvokeEndpointAsync"

DEFAULT_TIMEOUT, DEFAULT_TTL = 900, 21_600
"""Seconds that a request may be worked on, and wait (API reference, InvokeEndpointAsync)."""


def async_request(
    endpoint: str, config: Mapping[str, Any], headers: Mapping[str, str], body: bytes
) -> Document:
    """The document of a request, under a new `Id`.

    Args:
        endpoint: its name.
        config: the endpoint's AsyncInferenceConfig.
        headers: of the request, names in lower case.
        body: the inline payload; empty where InputLocation names one.

    Raises:
        ValidationError: a member breaks the service model, or there is not exactly one payload.
    """
    try:
        members = check_input(OPERATION, _parameters(endpoint, headers), service=RUNTIME)
    except (ValidationException, SerializationException) as error:
        raise ValidationError(error.message) from None
    _check_payload(members, body)
    identity = str(uuid.uuid4())
    document = {
        "Id": identity,
        "InferenceId": str(uuid.uuid4()),
        "InvocationTimeoutSeconds": DEFAULT_TIMEOUT,
        "RequestTTLSeconds": DEFAULT_TTL,
        **members,
        "Received": now(),
        "OutputLocation": _output(config["OutputConfig"], members, identity),
        "FailureLocation": _failure(config["OutputConfig"], identity),
        "Notification": config["OutputConfig"].get("NotificationConfig", {}),
    }
    if body:
        document["Body"] = base64.b64encode(body).decode()
    return document


def container_headers(document: Document) -> dict[str, str]:
    """What the container sees of the request's headers."""
    names = {
        "ContentType": "content-type",
        "Accept": "accept",
        "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
        "InferenceId": "x-amzn-sagemaker-inference-id",
    }
    return {header: document[member] for member, header in names.items() if member in document}


def expires_at(document: Document) -> float:
    """When a request has waited too long, in seconds since 1970."""
    moment: float = document["Received"] + document["RequestTTLSeconds"]
    return moment


def _parameters(endpoint: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"EndpointName": endpoint, **header_parameters(OPERATION, headers, service=RUNTIME)}


def _check_payload(members: Mapping[str, Any], body: bytes) -> None:
    location = members.get("InputLocation")
    if bool(body) == (location is not None):
        raise ValidationError("Provide exactly one of Body and InputLocation.")
    limit = 128_000  # of the service model's Body, which check_input does not see
    if len(body) > limit:
        raise ValidationError(
            f"Body of {len(body)} bytes: Member must have length less than or equal to {limit}"
        )
    if location is not None:
        try:
            S3Location.parse(location)
        except StorageError as error:
            raise ValidationError(f"InputLocation {error.message}.") from None


def _output(config: Mapping[str, Any], members: Mapping[str, Any], identity: str) -> str | None:
    """Where the answer goes; None where it goes to a topic alone."""
    if "S3OutputPath" not in config:
        return None
    folder = S3Location.parse(config["S3OutputPath"])
    extension = members.get("S3OutputPathExtension", "").strip("/")
    return str(folder.child(extension, members.get("Filename", f"{identity}.out")))


def _failure(config: Mapping[str, Any], identity: str) -> str | None:
    if "S3FailurePath" not in config:
        return None
    return str(S3Location.parse(config["S3FailurePath"]).child(f"{identity}-error.out"))
