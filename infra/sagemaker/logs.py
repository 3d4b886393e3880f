"""Container logs: a file that the process writes, followed into CloudWatch Logs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from infra.sagemaker.cloud_clients import ONCE, cloud_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

    from infra.sagemaker.threads import Threads

logger = logging.getLogger(__name__)

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/{endpoint}"

MAX_EVENT_BYTES = 262_118
"""The longest message CloudWatch takes: 256 KiB less its 26 bytes of overhead."""

MAX_BATCH_BYTES = 1_000_000
MAX_BATCH_EVENTS = 10_000
"""PutLogEvents takes 1,048,576 bytes, 26 counted for each event, and 10,000 events."""

EVENT_OVERHEAD = 26

ROTATE_BYTES = 16 * 1024**2
"""A log that has been shipped is emptied at this size: an endpoint may live for months."""

TAIL_BYTES = 700
"""Of the 1,024 characters that a FailureReason may have."""

FINISH_SECONDS = 2
"""For the last lines; a CloudWatch Logs that is already gone must not hold up the end."""

_LINE_END = re.compile(rb"[\r\n]+")  # a progress bar returns the carriage instead of ending lines


class LogSink(Protocol):
    """Where log lines go. The call blocks: make it in a thread."""

    def put(self, group: str, stream: str, lines: list[str]) -> bool:
        """Append lines to a stream, making it if need be; False if they must be offered again."""


class CloudWatchLogs:
    """CloudWatch Logs, wherever `endpoint_url` says it is."""

    def __init__(self, endpoint_url: str, *, region: str, account: str) -> None:
        self._client: CloudWatchLogsClient = cloud_client(
            "logs", endpoint_url, ONCE, region=region, account=account
        )

    def put(self, group: str, stream: str, lines: list[str]) -> bool:
        """See LogSink."""
        stamp = int(time.time() * 1000)
        events: list[InputLogEventTypeDef] = [
            {"timestamp": stamp, "message": line} for line in lines
        ]
        try:
            try:
                self._put(group, stream, events)
            except self._client.exceptions.ResourceNotFoundException:
                self._create(group, stream)
                self._put(group, stream, events)
        except (BotoCoreError, ClientError) as error:
            logger.debug("logs of %s are kept back: %s", stream, error)
            return False
        return True

    def _put(self, group: str, stream: str, events: list[InputLogEventTypeDef]) -> None:
        self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def _create(self, group: str, stream: str) -> None:
        exists = self._client.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._client.create_log_group(logGroupName=group)
        with contextlib.suppress(exists):
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)


@dataclass(slots=True)
class LogFollower:
    """Follows one log file into one stream, from the beginning.

    With `rotate`, a long file is emptied once all of it has been shipped. A file `ledger` remembers
    how much has been: the next follower of the same log and the same ledger begins there.
    `on_lines` gets, in a thread, the lines that have been shipped, each once.
    """

    path: Path
    group: str
    stream: str
    sink: LogSink
    threads: Threads
    rotate: bool = False
    ledger: Path | None = None
    on_lines: Callable[[list[str]], None] | None = None
    _offset: int = 0
    _lock: Lock = field(default_factory=Lock)

    @contextlib.asynccontextmanager
    async def shipping(self, interval_seconds: float) -> AsyncIterator[None]:
        """Ship what is new every so often; at the end the rest, a line without its end included."""
        self.path.touch()
        self._offset = self._remembered()
        following = asyncio.create_task(self._follow(interval_seconds))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.wait({following})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.threads.run(self._ship, whole=True), FINISH_SECONDS)

    async def _follow(self, interval_seconds: float) -> None:
        while True:
            await self.threads.run(self._ship, whole=False)
            await asyncio.sleep(interval_seconds)

    def _ship(self, *, whole: bool) -> None:
        with self._lock:
            self._ship_batches(whole=whole)

    def _ship_batches(self, *, whole: bool) -> None:
        while True:
            lines, consumed = self._read(whole=whole)
            if not consumed or (lines and not self.sink.put(self.group, self.stream, lines)):
                return
            self._offset += consumed
            if self.on_lines:
                self.on_lines(lines)
            if self.rotate and self._offset >= ROTATE_BYTES:
                self._empty()
            if self.ledger:
                self.ledger.write_text(str(self._offset))

    def _remembered(self) -> int:
        """How many bytes were shipped before; none where the ledger tells nothing of this file."""
        try:
            offset = int(self.ledger.read_text()) if self.ledger else 0
        except (FileNotFoundError, ValueError):
            return 0
        return offset if 0 <= offset <= self.path.stat().st_size else 0

    def _read(self, *, whole: bool) -> tuple[list[str], int]:
        """The next batch of lines, and how many bytes of the file they are."""
        with self.path.open("rb") as log:
            log.seek(self._offset)
            block = log.read(MAX_BATCH_BYTES // 2)
        lines: list[str] = []
        position = size = 0
        for end in _LINE_END.finditer(block):
            line = block[position : end.start()][:MAX_EVENT_BYTES]
            size += len(line) + EVENT_OVERHEAD
            if size > MAX_BATCH_BYTES or len(lines) == MAX_BATCH_EVENTS:
                return lines, position
            if line.strip():
                lines.append(line.decode(errors="replace"))
            position = end.end()
        rest = block[position:]
        if rest and (whole or len(rest) > MAX_EVENT_BYTES) and not lines:
            rest = rest[:MAX_EVENT_BYTES]
            return [rest.decode(errors="replace")], position + len(rest)
        return lines, position

    def _empty(self) -> None:
        """Empty a file that has been shipped whole; its writer appends, so it goes on at 0."""
        if self.path.stat().st_size == self._offset:
            os.truncate(self.path, 0)
            self._offset = 0


def tail(path: Path) -> str:
    """The last lines of a log, for a FailureReason: what fits beside a sentence."""
    with path.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join(line for line in text.splitlines() if line.strip())
