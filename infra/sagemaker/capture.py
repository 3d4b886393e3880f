"""Data capture: a sample of what an endpoint was asked and answered, as JSON lines in S3.

Names and records are those of SageMaker's developer guide (*Capture data from real-time endpoint*).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.sagemaker.object_store import S3Location, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from infra.sagemaker.connections import Reply
    from infra.sagemaker.context import PlaneContext

logger = logging.getLogger(__name__)

BATCH_BYTES = 4 * 1024**2
"""Held photos and answers that are written before their time is over."""

HELD_BYTES = 64 * 1024**2
"""Held while S3 refuses; beyond it the newest are left out, counted in the log."""

EVENT_VERSION = "0"

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
INFERENCE_ID = "x-amzn-sagemaker-inference-id"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One invocation: what a variant was asked, and its answer of status 2xx."""

    variant: str
    content_type: str
    body: bytes
    answer_type: str
    answer: bytes
    inference_id: str | None = None
    custom_attributes: str | None = None
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def size(self) -> int:
        """Bytes of request and answer."""
        return len(self.body) + len(self.answer)


def exchange(variant: str, headers: Mapping[str, str], body: bytes, answer: Reply) -> Exchange:
    """The exchange of a request, whose header names are in lower case, and its answer."""
    return Exchange(
        variant=variant,
        content_type=headers.get("content-type", ""),
        body=body,
        answer_type=answer.headers.get("content-type", ""),
        answer=answer.body,
        inference_id=headers.get(INFERENCE_ID),
        custom_attributes=headers.get(CUSTOM_ATTRIBUTES),
    )


class CaptureFormat:
    """How a DataCaptureConfig wants an exchange written."""

    def __init__(self, config: dict[str, Any]) -> None:
        modes = {one["CaptureMode"] for one in config["CaptureOptions"]}
        both = "InputAndOutput" in modes
        self._input, self._output = both or "Input" in modes, both or "Output" in modes
        types = config.get("CaptureContentTypeHeader", {})
        self._encodings = {
            _media_type(one): encoding
            for member, encoding in (("CsvContentTypes", "CSV"), ("JsonContentTypes", "JSON"))
            for one in types.get(member, [])
        }

    def line(self, exchange: Exchange) -> str:
        """The exchange as a line of JSON, without its end."""
        captured = {}
        if self._input:
            captured["endpointInput"] = self._data(exchange.content_type, exchange.body, "INPUT")
        if self._output:
            captured["endpointOutput"] = self._data(exchange.answer_type, exchange.answer, "OUTPUT")
        event: dict[str, Any] = {"eventId": str(uuid.uuid4())}
        if exchange.inference_id is not None:
            event["inferenceId"] = exchange.inference_id
        if exchange.custom_attributes is not None:
            event["customAttributes"] = [exchange.custom_attributes]
        event["inferenceTime"] = exchange.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        record = {"captureData": captured, "eventMetadata": event, "eventVersion": EVENT_VERSION}
        return json.dumps(record)

    def _data(self, content_type: str, body: bytes, mode: str) -> dict[str, str]:
        """Text where the configuration names the type and the bytes are text, base64 elsewhere."""
        encoding = self._encodings.get(_media_type(content_type), "BASE64")
        try:
            text = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
        except UnicodeDecodeError:
            encoding, text = "BASE64", base64.b64encode(body).decode()
        return {
            "observedContentType": content_type,
            "mode": mode,
            "data": text,
            "encoding": encoding,
        }


class DataCapture:
    """Holds a sample of one deployment's exchanges and writes them in the background.

    Args:
        context: S3, threads and how often.
        config: a DataCaptureConfig.
        endpoint: its name, a part of every key.
        folder: for files until they are in S3.
    """

    def __init__(
        self, context: PlaneContext, config: dict[str, Any], *, endpoint: str, folder: Path
    ) -> None:
        self._context, self._endpoint, self._folder = context, endpoint, folder
        self._format = CaptureFormat(config)
        self._share: float = config["InitialSamplingPercentage"] / 100
        self._destination = S3Location.parse(config["DestinationS3Uri"])
        self._held: list[Exchange] = []
        self._held_bytes = self._left_out = 0
        self._full, self._writing = asyncio.Event(), asyncio.Lock()
        self._task = asyncio.create_task(self._run(), name=f"capture of {endpoint}")

    def samples(self) -> bool:
        """Whether the next exchange belongs to the sample."""
        return random.random() < self._share  # noqa: S311 - a sample, not a secret

    def offer(self, exchange: Exchange) -> None:
        """Hold an exchange of the sample; returns at once."""
        if self._held_bytes + exchange.size > HELD_BYTES:
            self._left_out += 1
            return
        self._held.append(exchange)
        self._held_bytes += exchange.size
        if self._held_bytes >= BATCH_BYTES:
            self._full.set()

    async def close(self) -> None:
        """Write what is held, once, and end."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._flush()
        self._left_out += len(self._held)
        self._tell_left_out()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._context.timing.capture_interval):
                    await self._full.wait()
            self._full.clear()
            await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        async with self._writing:
            batch, self._held = self._held, []
            for key, exchanges in _by_hour(batch).items():
                try:
                    await self._context.threads.run(self._write, key, exchanges)
                except (StorageError, OSError) as error:
                    logger.warning("capture of %s is kept back: %s", self._endpoint, error)
                    self._held = exchanges + self._held
            self._held_bytes = sum(exchange.size for exchange in self._held)
        self._tell_left_out()

    def _write(self, key: tuple[str, str], exchanges: list[Exchange]) -> None:
        moment = exchanges[0].moment
        name = f"{moment:%M-%S}-{moment.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        path.write_text("".join(self._format.line(one) + "\n" for one in exchanges))
        try:
            self._context.objects.upload(path, self._destination.child(self._endpoint, *key, name))
        finally:
            path.unlink()

    def _tell_left_out(self) -> None:
        if self._left_out:
            logger.warning(
                "capture of %s: %d exchanges were left out: S3 did not take them",
                self._endpoint,
                self._left_out,
            )
        self._left_out = 0


def capture_summary(config: dict[str, Any]) -> dict[str, Any]:
    """DescribeEndpoint's DataCaptureConfig."""
    return {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": "",
    }


def _by_hour(exchanges: Iterable[Exchange]) -> dict[tuple[str, str], list[Exchange]]:
    """Grouped by variant and `yyyy/mm/dd/hh`: the folder they belong in."""
    groups: dict[tuple[str, str], list[Exchange]] = {}
    for one in exchanges:
        groups.setdefault((one.variant, f"{one.moment:%Y/%m/%d/%H}"), []).append(one)
    return groups


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
