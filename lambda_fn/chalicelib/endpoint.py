"""The model's endpoint as the API sees it: photos in, probabilities out, faults told apart."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from . import photo_lines
from .batch import CONCURRENCY
from .clients import open_client
from .contracts import (
    DEFAULT_THRESHOLD,
    DESCRIBE,
    JSON,
    JSON_LINES,
    JSON_VERBOSE,
    EndpointError,
    SnapshelfError,
)
from .endpoint_faults import NO_ANSWER, no_answer, of_line, raise_for, unreadable_reply
from .errors import (
    EndpointBusyError,
    EndpointTimeoutError,
    EndpointUnavailableError,
    RefusedPhotoError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from .own_model import OwnModel
    from .photo_request import Photo

logger = logging.getLogger(__name__)

CLIENT_SETTINGS: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 6,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": CONCURRENCY,
    "tcp_keepalive": True,
}
"""Three attempts of 7 s end before API Gateway gives up at 29 s, so that the client is answered.

In between botocore's standard mode waits, where the endpoint is throttled, a random part of 1 s,
then of 2 s (full jitter: those that were refused together do not come back together).
"""

HEATMAP_MEMBERS = ("category", "method", "png")

LONGEST_WAITS = 3.0
"""Seconds that those two waits take at most."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one photo: `probabilities` (0..1) and `labels` in class order.

    `verdict` is a label, NO_VERDICT with a `reason`, or None where the model's artifact is not
    calibrated: the threshold alone decides then. `indices` are the classes' numbers where not all
    are told. `embedding` and `heatmap` (HEATMAP_MEMBERS; `png` in base64) are there if asked for.
    """

    probabilities: tuple[float, ...]
    labels: tuple[str, ...]
    threshold: float
    model_version: str
    model_ms: float | None
    endpoint_ms: float
    verdict: str | None = None
    reason: str | None = None
    indices: tuple[int, ...] = ()
    embedding: tuple[float, ...] | None = None
    heatmap: dict[str, str] | None = None

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
        return self.indices[self._best_at] if self.indices else self._best_at

    @property
    def best(self) -> str:
        return self.labels[self._best_at]

    @property
    def best_probability(self) -> float:
        return self.probabilities[self._best_at]

    @property
    def _best_at(self) -> int:
        return max(range(len(self.labels)), key=self.probabilities.__getitem__)


class Endpoint:
    """One SageMaker endpoint, asked by InvokeEndpoint only.

    Args:
        name: the endpoint's.
        client: SageMaker Runtime, or what answers in its stead.
        concurrency: how many requests of one batch it may have at once.
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
        self._takes_lines = True

    def classify(self, photo: Photo, attributes: str = "") -> Prediction:
        """The model's probabilities for `photo`.

        Args:
            photo: to classify.
            attributes: CustomAttributes that ask for more.

        Raises:
            RefusedPhotoError: the model cannot read the photo; the client's fault.
            EndpointError: everything else; not the client's fault.
        """
        started = time.perf_counter()
        reply = self._invoke(
            photo.data, photo.content_type, accept=JSON_VERBOSE, attributes=attributes
        )
        return self._prediction(reply, (time.perf_counter() - started) * 1000)

    def classify_many(self, photos: Sequence[Photo]) -> list[Prediction | SnapshelfError]:
        """As `classify` each, in order, in one request; what is wrong stands in a photo's place.

        A container that takes no lines, or fails over some of them, is asked photo by photo.
        """
        if len(photos) > 1 and self._takes_lines:
            try:
                return self._classify_lines(photos)
            except (EndpointBusyError, EndpointUnavailableError, EndpointTimeoutError) as error:
                return [error] * len(photos)
            except RefusedPhotoError:
                self._takes_lines = False
            except EndpointError:
                logger.warning("%d photos failed together: each is asked for alone", len(photos))
        return [self._outcome(photo) for photo in photos]

    def _outcome(self, photo: Photo) -> Prediction | SnapshelfError:
        try:
            return self.classify(photo)
        except SnapshelfError as error:
            return error

    def _classify_lines(self, photos: Sequence[Photo]) -> list[Prediction | SnapshelfError]:
        started = time.perf_counter()
        body = photo_lines.encode(photos)
        text = self._ask(body, JSON_LINES, accept=photo_lines.ACCEPT)
        endpoint_ms = (time.perf_counter() - started) * 1000
        try:
            replies = photo_lines.decode(text, len(photos))
        except ValueError as error:
            raise unreadable_reply(self.name) from error
        return [
            of_line(reply["error"], self.name)
            if "error" in reply
            else self._prediction(reply, endpoint_ms)
            for reply in replies
        ]

    def _prediction(self, reply: dict[str, Any], endpoint_ms: float) -> Prediction:
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
                indices=tuple(int(index) for index in reply.get("indices", ())),
                embedding=_numbers(reply.get("embedding")),
                heatmap=_texts(reply.get("heatmap")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable_reply(self.name) from error

    def describe(self) -> dict[str, Any]:
        """The card of the model that the endpoint holds: `classes`, `version`, `network`, ...

        Raises:
            EndpointError: the endpoint does not answer, or not with a model card.
        """
        card = self._invoke(b"{}", JSON, attributes=DESCRIBE)
        if not isinstance(card.get("classes"), list):
            raise unreadable_reply(self.name)
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
        text = self._ask(body, content_type, accept=accept, attributes=attributes)
        try:
            reply = json.loads(text)
        except ValueError as error:
            raise unreadable_reply(self.name) from error
        if not isinstance(reply, dict):
            raise unreadable_reply(self.name)
        return reply

    def _ask(self, body: bytes, content_type: str, *, accept: str, attributes: str = "") -> bytes:
        options = {"CustomAttributes": attributes} if attributes else {}
        try:
            response = self._client.invoke_endpoint(
                EndpointName=self.name,
                Body=body,
                ContentType=content_type,
                Accept=accept,
                **options,
            )
            text: bytes = response["Body"].read()
        except ClientError as error:
            raise_for(error, self.name)
        except NO_ANSWER as error:
            raise no_answer(error, self.name) from error
        return text


def connect(name: str) -> Endpoint:
    """The endpoint called `name`, in the region and with the credentials of the environment.

    Raises:
        EndpointUnavailableError: `name` is empty: the function was deployed without one.
    """
    if not name:
        raise EndpointUnavailableError(
            "ENDPOINT_NAME is not set", hint="deploy the API again, with the model's endpoint"
        )
    return Endpoint(name, open_client("sagemaker-runtime", **CLIENT_SETTINGS))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _numbers(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)


def _texts(members: Any) -> dict[str, str] | None:
    return None if members is None else {name: str(members[name]) for name in HEATMAP_MEMBERS}
