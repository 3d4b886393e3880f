"""The model's endpoint as the API sees it: photos in, probabilities out, faults told apart."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Never

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from .batch import CONCURRENCY
from .contracts import DEFAULT_THRESHOLD, DESCRIBE, JSON, JSON_VERBOSE, EndpointError
from .errors import (
    EndpointBusyError,
    EndpointTimeoutError,
    EndpointUnavailableError,
    RefusedPhotoError,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from .own_model import OwnModel
    from .photo_request import Photo

logger = logging.getLogger(__name__)

CLIENT_CONFIG = Config(
    connect_timeout=1,
    read_timeout=6,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=CONCURRENCY,
    tcp_keepalive=True,
)
"""Three attempts of 7 s end before API Gateway gives up at 29 s, so that the client is answered.

In between botocore's standard mode waits, where the endpoint is throttled, a random part of 1 s,
then of 2 s (full jitter: those that were refused together do not come back together).
"""

LONGEST_WAITS = 3.0
"""Seconds that those two waits take at most."""

_NO_ANSWER = (BotoConnectionError, HTTPClientError, IncompleteReadError)
_CLIENTS_FAULT = (400, 413, 415, 422)
_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException")
_NOT_READY = ("ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one photo: `probabilities` (0..1) and `labels` in class order.

    `verdict` is a label, NO_VERDICT with a `reason`, or None where the model's artifact is not
    calibrated: the threshold alone decides then.
    """

    probabilities: tuple[float, ...]
    labels: tuple[str, ...]
    threshold: float
    model_version: str
    model_ms: float | None
    endpoint_ms: float
    verdict: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.probabilities):
            raise EndpointError(
                f"the endpoint gave {len(self.probabilities)} probabilities for "
                f"{len(self.labels)} labels: expected as many of each",
                hint="deploy the model again",
            )

    @property
    def best_index(self) -> int:
        """The class of the highest probability, by its number; of equals the first."""
        return max(range(len(self.labels)), key=self.probabilities.__getitem__)

    @property
    def best(self) -> str:
        return self.labels[self.best_index]

    @property
    def best_probability(self) -> float:
        return self.probabilities[self.best_index]


class Endpoint:
    """One SageMaker endpoint, asked by InvokeEndpoint only.

    Args:
        name: the endpoint's.
        client: SageMaker Runtime, or what answers in its stead.
        concurrency: how many photos of one request it may be asked for at once.
    """

    def __init__(
        self,
        name: str,
        client: SageMakerRuntimeClient | OwnModel,
        *,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self._client = client
        self._card: dict[str, Any] | None = None

    def classify(self, photo: Photo) -> Prediction:
        """The model's probabilities for `photo`.

        Raises:
            RefusedPhotoError: the model cannot read the photo; the client's fault.
            EndpointError: everything else; not the client's fault.
        """
        started = time.perf_counter()
        reply = self._invoke(photo.data, photo.content_type, accept=JSON_VERBOSE)
        endpoint_ms = (time.perf_counter() - started) * 1000
        try:
            latency = reply.get("model_latency_ms")
            return Prediction(
                probabilities=tuple(float(value) for value in reply["probabilities"]),
                labels=tuple(str(label) for label in reply["labels"]),
                threshold=float(reply.get("threshold", DEFAULT_THRESHOLD)),
                model_version=str(reply.get("model_version", "")),
                model_ms=None if latency is None else float(latency),
                endpoint_ms=endpoint_ms,
                verdict=_text(reply.get("verdict")),
                reason=_text(reply.get("reason")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable_reply(self.name) from error

    def describe(self) -> dict[str, Any]:
        """The card of the model that the endpoint holds: `classes`, `version`, `network`, ...

        Raises:
            EndpointError: the endpoint does not answer, or not with a model card.
        """
        card = self._invoke(b"{}", JSON, attributes=DESCRIBE)
        if not isinstance(card.get("classes"), list):
            raise _unreadable_reply(self.name)
        return card

    def card(self, version: str) -> dict[str, Any]:
        """The card of the model that just answered, asked for once a version.

        Raises:
            EndpointError: as `describe`.
        """
        if self._card is None or str(self._card.get("version", "")) != version:
            self._card = self.describe()
        return self._card

    def _invoke(
        self, body: bytes, content_type: str, *, accept: str = JSON, attributes: str = ""
    ) -> dict[str, Any]:
        options = {"CustomAttributes": attributes} if attributes else {}
        try:
            response = self._client.invoke_endpoint(
                EndpointName=self.name,
                Body=body,
                ContentType=content_type,
                Accept=accept,
                **options,
            )
            text = response["Body"].read()
        except ClientError as error:
            _raise_for(error, self.name)
        except _NO_ANSWER as error:
            raise _no_answer(error, self.name) from error
        try:
            reply = json.loads(text)
        except ValueError as error:
            raise _unreadable_reply(self.name) from error
        if not isinstance(reply, dict):
            raise _unreadable_reply(self.name)
        return reply


def connect(name: str) -> Endpoint:
    """The endpoint called `name`, in the region and with the credentials of the environment.

    Raises:
        EndpointUnavailableError: `name` is empty: the function was deployed without one.
    """
    if not name:
        raise EndpointUnavailableError(
            "ENDPOINT_NAME is not set", hint="deploy the API again, with the model's endpoint"
        )
    return Endpoint(name, boto3.client("sagemaker-runtime", config=CLIENT_CONFIG))


def _raise_for(error: ClientError, name: str) -> Never:
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
        words = _json_object(original)
        raise RefusedPhotoError(
            str(words.get("message") or "the model cannot read this photo"),
            hint=str(words.get("hint", "")),
            code=str(words.get("code") or "unreadable_photo"),
            status=status,
        ) from error
    logger.warning("the container of %s answered %d: %.500s", name, status, original)
    if status == EndpointBusyError.status:
        raise EndpointBusyError(f"endpoint {name} has too many requests", hint=_LATER) from error
    if status == EndpointUnavailableError.status:
        raise EndpointUnavailableError(f"endpoint {name} is not ready", hint=_LATER) from error
    raise EndpointError(f"the model of endpoint {name} failed", hint=_LATER) from error


def _no_answer(error: Exception, name: str) -> EndpointError:
    logger.warning("endpoint %s gave no answer", name, exc_info=error)
    if isinstance(error, ReadTimeoutError):
        return EndpointTimeoutError(f"endpoint {name} did not answer in time", hint=_LATER)
    return EndpointUnavailableError(f"endpoint {name} cannot be reached", hint=_LATER)


def _unreadable_reply(name: str) -> EndpointError:
    return EndpointError(
        f"endpoint {name} answered with something else than the agreed JSON",
        hint="deploy the model again, so that both sides are of one version",
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _json_object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


_LATER = "try again in a moment"
