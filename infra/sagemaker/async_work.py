"""One asynchronous request's way: payload from S3, container, answer to S3, message to a topic."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from contracts import SnapshelfError
from infra.sagemaker.async_requests import container_headers
from infra.sagemaker.documents import ASYNC_REQUEST
from infra.sagemaker.errors import ModelError, ServiceUnavailable
from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.sagemaker.connections import Reply
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.documents import Document
    from infra.sagemaker.forwarding import Forwarder

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

STORAGE_POLL = 0.5
"""Seconds between two tries to reach S3."""

MAX_PAYLOAD_BYTES = 1024**3
"""Of asynchronous inference (developer guide)."""

MAX_INCLUDED_BYTES = 128 * 1024
"""An answer's, to be part of a message (API reference, AsyncInferenceNotificationConfig)."""

SUCCESS, ERROR = "SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"

MODEL_FAILED = (
    "ClientError: Received {side} error ({status}) from model. See the SageMaker Endpoint logs in "
    "your account for more information."
)


class AsyncWork:
    """Answers requests, or says why they came to nothing; either way they leave the store."""

    def __init__(self, context: PlaneContext, forwarder: Forwarder) -> None:
        self._context, self._forwarder = context, forwarder
        self._folder = context.work / ASYNC_REQUEST

    async def answer(self, deployment: Deployment, document: Document) -> None:
        """Have a container answer the request, and say how it ended."""
        reply, reason = None, ""
        try:
            with deployment.request():
                reply = await self._ask(deployment, document)
            if location := document["OutputLocation"]:
                await self._store(document, location, reply.body)
        except _RefusedByModelError as error:
            reply, reason = error.reply, error.message
        except SnapshelfError as error:
            reason = error.message
        except Exception:
            logger.exception("asynchronous request %s", document["Id"])
            reason = "InternalFailure: see the local cloud's own log."
        await self._end(document, reason, reply)

    async def expire(self, document: Document) -> None:
        """Say that the request has waited too long."""
        seconds = document["RequestTTLSeconds"]
        await self._end(document, f"Request expired after {seconds} seconds in the queue.", None)

    async def _ask(self, deployment: Deployment, document: Document) -> Reply:
        """A container's answer of status 2xx; waits for containers that are being restarted."""
        payload = await self._payload(document)
        headers, seconds = container_headers(document), document["InvocationTimeoutSeconds"]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            variant = deployment.select_variant()
            try:
                reply = await self._forwarder.forward(variant, headers, payload, seconds=seconds)
                self._forwarder.check(variant, reply)
            except ServiceUnavailable:
                if loop.time() > deadline:
                    raise
            except ModelError as error:
                if error.original_status:
                    raise _RefusedByModelError(error, reply) from None
                raise
            else:
                return reply

    async def _payload(self, document: Document) -> bytes:
        if "Body" in document:
            return base64.b64decode(document["Body"])
        return await self._call_s3(self._download, document["InputLocation"])

    def _download(self, uri: str) -> bytes:
        payload = bytearray()
        for piece in self._context.objects.read(S3Location.parse(uri)):
            payload += piece
            if len(payload) > MAX_PAYLOAD_BYTES:
                raise StorageError(f"{uri}: expected at most {MAX_PAYLOAD_BYTES} bytes")
        return bytes(payload)

    async def _store(self, document: Document, uri: str, content: bytes) -> None:
        await self._call_s3(self._upload, document["Id"], uri, content)

    async def _call_s3(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call; one that S3 did not hear, as it is being restarted, is made again.

        Raises:
            StorageError: S3 has heard it, and refused.
        """
        threads, objects = self._context.threads, self._context.objects
        while True:
            try:
                return await threads.run(call, *args, **kwargs)
            except StorageError:
                if await threads.run(objects.reachable):
                    return await threads.run(call, *args, **kwargs)
            await asyncio.sleep(STORAGE_POLL)

    def _upload(self, name: str, uri: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        path.write_bytes(content)
        try:
            self._context.objects.upload(path, S3Location.parse(uri))
        finally:
            path.unlink()

    async def _end(self, document: Document, reason: str, reply: Reply | None) -> None:
        """Tell the outcome; a bucket or a topic that refuses it is named in the log."""
        try:
            if reason and (location := document["FailureLocation"]):
                content = reply.body if reply else reason.encode()
                await self._store(document, location, content)
            await self._notify(document, reason, reply)
        except SnapshelfError as error:
            logger.warning("asynchronous request %s: %s", document["Id"], error.message)
        self._context.store.delete(ASYNC_REQUEST, document["Id"])

    async def _notify(self, document: Document, reason: str, reply: Reply | None) -> None:
        config = document["Notification"]
        topic = config.get("ErrorTopic" if reason else "SuccessTopic")
        if topic:
            included = (ERROR if reason else SUCCESS) in config.get(
                "IncludeInferenceResponseIn", []
            )
            message = self._message(document, reason, reply, included=included)
            await self._context.threads.run(
                self._context.topics.publish, topic, json.dumps(message)
            )

    def _message(
        self, document: Document, reason: str, reply: Reply | None, *, included: bool
    ) -> dict[str, Any]:
        """As AWS's; source: the developer guide's examples (*Check prediction results*)."""
        message: dict[str, Any] = {
            "awsRegion": self._context.region,
            "eventTime": _iso(datetime.now(UTC).timestamp()),
            "receivedTime": _iso(document["Received"]),
            "invocationStatus": "Failed" if reason else "Completed",
        }
        if reason:
            message["failureReason"] = reason
        message["requestParameters"] = _request_parameters(document)
        if reply:
            location = "failureLocation" if reason else "outputLocation"
            place = document["FailureLocation" if reason else "OutputLocation"]
            response = {"contentType": reply.headers.get("content-type"), location: place}
            message["responseParameters"] = {k: v for k, v in response.items() if v is not None}
        if reply and included and len(reply.body) <= MAX_INCLUDED_BYTES:
            content = base64.b64encode(reply.body).decode()
            message["responseBody"] = {"content": content, "encoding": "BASE64"}
        return message | {
            "inferenceId": document["InferenceId"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }


class _RefusedByModelError(SnapshelfError):
    """The container answered other than 2xx."""

    def __init__(self, error: ModelError, reply: Reply) -> None:
        super().__init__(MODEL_FAILED.format(side=error.side, status=error.original_status))
        self.reply = reply


def _request_parameters(document: Document) -> dict[str, str]:
    members = ("Accept", "ContentType", "CustomAttributes", "EndpointName", "InputLocation")
    return {
        member[0].lower() + member[1:]: document[member] for member in members if member in document
    }


def _iso(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
