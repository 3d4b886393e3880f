"""What batch transform sends to a container: an object's records, gathered into payloads.

Source: SageMaker API reference, *TransformInput*, and *CreateTransformJob*, BatchStrategy.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import SnapshelfError
from infra.sagemaker.recordio import records as recordio_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEGABYTE = 1024**2

CLIENT_FAULT, ALGORITHM_FAULT = "ClientError", "AlgorithmError"
"""Whose fault a failure is, as a FailureReason begins."""

TOO_LARGE = "Too much data for max payload size"


class TransformError(SnapshelfError):
    """An object that cannot be transformed; the job goes on with the others, and fails in the end.

    `fault` is CLIENT_FAULT or ALGORITHM_FAULT; `detail` what the container said, if it did.
    """

    code = "transform"

    def __init__(
        self, message: str, *, fault: str = CLIENT_FAULT, detail: str | None = None
    ) -> None:
        super().__init__(message)
        self.fault, self.detail = fault, detail


class Split(enum.Enum):
    """How an object is divided into records; the values are SplitType's."""

    NONE = "None"
    LINE = "Line"
    RECORDIO = "RecordIO"


class Strategy(enum.Enum):
    """How many records a request carries; the values are those of the container's variables."""

    MULTI_RECORD = "MULTI_RECORD"
    SINGLE_RECORD = "SINGLE_RECORD"


@dataclass(frozen=True, slots=True)
class Batching:
    """How payloads are made.

    Attributes:
        split: of objects into records.
        strategy: of records into payloads.
        limit: bytes a payload may have; 0 for any number.
    """

    split: Split
    strategy: Strategy
    limit: int

    @property
    def is_streamed(self) -> bool:
        """Whether an object goes out as one payload of any length, which is never held whole."""
        single = self.split is not Split.NONE and self.strategy is Strategy.SINGLE_RECORD
        return not self.limit and not single

    def batches(self, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The records of each payload in order, of an object that comes in pieces.

        Lines come without their ends, and empty lines are no records. A RecordIO record comes
        without framing and padding where it goes out alone, with them where several do.

        Raises:
            TransformError: a record is larger than a payload may be.
            StorageError: S3 refuses, or the object is no RecordIO.
        """
        records = self._records(pieces)
        if self.split is Split.NONE or self.strategy is Strategy.SINGLE_RECORD:
            for record in records:
                self._check(len(record))
                yield [record]
        else:
            yield from self._gathered(records)

    def payload(self, records: list[bytes]) -> bytes:
        """The body of one request."""
        return (b"\n" if self.split is Split.LINE else b"").join(records)

    def _records(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        if self.split is Split.LINE:
            return self._lines(pieces)
        if self.split is Split.RECORDIO:
            single = self.strategy is Strategy.SINGLE_RECORD
            return (one.payload if single else one.framed for one in recordio_records(pieces))
        return iter([self._whole(pieces)])

    def _whole(self, pieces: Iterable[bytes]) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece
            self._check(len(body))
        return bytes(body)

    def _lines(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            yield from filter(None, lines)
            self._check(len(rest))
        if rest:
            yield rest

    def _gathered(self, records: Iterator[bytes]) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        between = 1 if self.split is Split.LINE else 0
        size = 0
        for record in records:
            self._check(len(record))
            if batch and size + between + len(record) > self.limit:
                yield batch
                batch, size = [], 0
            size += len(record) + (between if batch else 0)
            batch.append(record)
        if batch:
            yield batch

    def _check(self, size: int) -> None:
        if self.limit and size > self.limit:
            raise TransformError(
                f"{TOO_LARGE}: a record of {size} bytes or more, MaxPayloadInMB is "
                f"{self.limit // MEGABYTE}"
            )
