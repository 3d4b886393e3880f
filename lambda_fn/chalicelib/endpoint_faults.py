"""What goes wrong at the model's endpoint: the client's fault told apart from everything else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Never

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from .contracts import EndpointError
from .errors import (
    EndpointBusyError,
    EndpointTimeoutError,
    EndpointUnavailableError,
    RefusedPhotoError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

NO_ANSWER = (BotoConnectionError, HTTPClientError, IncompleteReadError)
_CLIENTS_FAULT = (400, 413, 415, 422)
_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException")
_NOT_READY = ("ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException")
_LATER = "try again in a moment"


def raise_for(error: ClientError, name: str) -> Never:
    """Raise what InvokeEndpoint's error means for the client (botocore's service model)."""
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    if code == "ModelError":
        _raise_for_model(error, name)
    logger.warning("InvokeEndpoint on %s failed: %s: %s", name, code, message)
    if code in _THROTTLED:
        raise EndpointBusyError(f"endpoint {name} has too many requests", hint=_LATER) from error
    if code in _NOT_READY:
        raise EndpointUnavailableError(f"endpoint {name} is not ready", hint=_LATER) from error
    if code == "ValidationError" and "not found" in message:
        raise EndpointUnavailableError(
            f"there is no endpoint {name}", hint="deploy the model first"
        ) from error
    raise EndpointError(f"endpoint {name} answered {code}", hint=_LATER) from error


def _raise_for_model(error: ClientError, name: str) -> Never:
    """Raise what the container itself answered, which ModelError carries along."""
    status = int(error.response.get("OriginalStatusCode", 500))  # type: ignore[call-overload]  # ModelError's own members are not in ClientError's type
    original = str(error.response.get("OriginalMessage", ""))
    if status in _CLIENTS_FAULT:
        raise _refusal(_json_object(original), status) from error
    logger.warning("the container of %s answered %d: %.500s", name, status, original)
    if status == EndpointBusyError.status:
        raise EndpointBusyError(f"endpoint {name} has too many requests", hint=_LATER) from error
    if status == EndpointUnavailableError.status:
        raise EndpointUnavailableError(f"endpoint {name} is not ready", hint=_LATER) from error
    raise _failure(name) from error


def of_line(told: Any, name: str) -> EndpointError | RefusedPhotoError:
    """What one line of many says is wrong with its photo."""
    words = told if isinstance(told, dict) else {}
    status = words.get("status")
    if status in _CLIENTS_FAULT:
        return _refusal(words, status)
    logger.warning("the container of %s failed over a photo: %.500s", name, words)
    return _failure(name)


def no_answer(error: Exception, name: str) -> EndpointError:
    """What it means that the endpoint gave none."""
    logger.warning("endpoint %s gave no answer", name, exc_info=error)
    if isinstance(error, ReadTimeoutError):
        return EndpointTimeoutError(f"endpoint {name} did not answer in time", hint=_LATER)
    return EndpointUnavailableError(f"endpoint {name} cannot be reached", hint=_LATER)


def unreadable_reply(name: str) -> EndpointError:
    """That the endpoint answered what was not agreed."""
    return EndpointError(
        f"endpoint {name} answered with something else than the agreed JSON",
        hint="deploy the model again, so that both sides are of one version",
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(words: Mapping[str, Any], status: int) -> RefusedPhotoError:
    """The container's own words, where they are ours."""
    return RefusedPhotoError(
        str(words.get("message") or "the model cannot read this photo"),
        hint=str(words.get("hint", "")),
        code=str(words.get("code") or "unreadable_photo"),
        status=status,
    )


def _failure(name: str) -> EndpointError:
    return EndpointError(f"the model of endpoint {name} failed", hint=_LATER)
