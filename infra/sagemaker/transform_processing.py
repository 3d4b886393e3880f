"""DataProcessing of a transform job: filters, and the join of answers with what was asked.

Source: SageMaker API reference, *DataProcessing*; developer guide, *Associate Prediction Results
with Input Records*.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from infra.sagemaker.errors import ValidationException
from infra.sagemaker.json_paths import WHOLE, JsonPath, SelectionError
from infra.sagemaker.transform_records import ALGORITHM_FAULT, TransformError

if TYPE_CHECKING:
    from collections.abc import Callable

CSV = "text/csv"

INPUT_KEY, OUTPUT_KEY = "SageMakerInput", "SageMakerOutput"
"""Where a joined JSON object holds what was asked, if that is no object, and the answer."""


class _Format(Protocol):
    """How records are written in one type of content."""

    def read(self, record: bytes) -> Any:
        """A record as a JSON value; ValueError for what is none."""

    def write(self, value: Any) -> bytes:
        """The reverse, without a line's end; ValueError for what cannot be written."""

    def join(self, asked: Any, answer: Any) -> Any:
        """Both in one value."""

    def rows(self, text: bytes) -> list[bytes]:
        """The records that a piece of such content holds."""


class _Csv:
    """A row of CSV is an array of texts."""

    def read(self, record: bytes) -> Any:
        return next(csv.reader([record.decode()], strict=True), [])

    def write(self, value: Any) -> bytes:
        row = value if isinstance(value, list) else [value]
        if any(isinstance(one, (list, dict)) for one in row):
            raise ValueError("a row of CSV cannot hold arrays or objects")
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        return text.getvalue().encode()

    def join(self, asked: Any, answer: Any) -> Any:
        return [*asked, *answer]

    def rows(self, text: bytes) -> list[bytes]:
        return _lines(text)


class _Json:
    """A record is a JSON value."""

    def read(self, record: bytes) -> Any:
        return json.loads(record)

    def write(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def join(self, asked: Any, answer: Any) -> Any:
        return {**(asked if isinstance(asked, dict) else {INPUT_KEY: asked}), OUTPUT_KEY: answer}

    def rows(self, text: bytes) -> list[bytes]:
        return [text]


class _JsonLines(_Json):
    """A record is a JSON value on a line of its own."""

    def rows(self, text: bytes) -> list[bytes]:
        return _lines(text)


_FORMATS: dict[str, _Format] = {
    CSV: _Csv(),
    "application/json": _Json(),
    "application/jsonlines": _JsonLines(),
}


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip()]


def _media_type(value: str) -> str:
    return value.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Processing:
    """What is done to a record before it is sent, and to its answer before it is stored."""

    input_filter: JsonPath
    output_filter: JsonPath
    joins: bool
    _asked: _Format | None
    _answered: _Format | None

    @classmethod
    def parse(cls, request: dict[str, Any]) -> Processing:
        """Read CreateTransformJob's DataProcessing.

        Raises:
            ValidationException: a path is none, or the job's data is of no type that has parts.
        """
        given = request.get("DataProcessing", {})
        content_type = request["TransformInput"].get("ContentType", "")
        accept = request["TransformOutput"].get("Accept") or content_type
        processing = cls(
            JsonPath.parse(given.get("InputFilter", WHOLE)),
            JsonPath.parse(given.get("OutputFilter", WHOLE)),
            given.get("JoinSource", "None") == "Input",
            _FORMATS.get(_media_type(content_type)),
            _FORMATS.get(_media_type(accept)),
        )
        if processing.active:
            _check_types(content_type, accept, joins=processing.joins)
        return processing

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return self.joins or not (self.input_filter.is_whole and self.output_filter.is_whole)

    def rows(self, records: list[bytes]) -> list[bytes]:
        """What is filtered and joined one by one: a record of CSV may be a file of many rows."""
        return [row for record in records for row in _known(self._asked).rows(record)]

    def prepare(self, rows: list[bytes]) -> bytes:
        """The payload of these rows, as the container is to get it.

        Raises:
            TransformError: a row is not of the job's ContentType, or lacks what is selected.
        """
        if self.input_filter.is_whole:
            return b"\n".join(rows)
        form, select = _known(self._asked), self.input_filter.select
        return b"\n".join(_applied(row, form, select) for row in rows)

    def finish(self, rows: list[bytes], reply: bytes) -> bytes:
        """What is stored of a reply: joined and filtered row by row.

        Raises:
            TransformError: not as many answers as rows, one that is not of the job's Accept type,
                or one that lacks what is selected.
        """
        form = _known(self._answered)
        answers = form.rows(reply)
        if len(answers) != len(rows):
            raise TransformError(
                f"{len(answers)} answers to {len(rows)} records: they cannot be told apart; "
                "expected a line for each",
                fault=ALGORITHM_FAULT,
            )
        pairs = zip(rows, answers, strict=True)
        return b"\n".join(_applied(answer, form, self._ending(row)) for row, answer in pairs)

    def _ending(self, row: bytes) -> Callable[[Any], Any]:
        def finished(value: Any) -> Any:
            if self.joins:
                value = _known(self._answered).join(_known(self._asked).read(row), value)
            return self.output_filter.select(value)

        return finished


def _known(form: _Format | None) -> _Format:
    assert form is not None  # noqa: S101 - the types of an active processing are checked
    return form


def _applied(text: bytes, form: _Format, change: Callable[[Any], Any]) -> bytes:
    try:
        return form.write(change(form.read(text)))
    except SelectionError as error:
        raise TransformError(str(error)) from error
    except (ValueError, csv.Error) as error:
        shown = text[:80].decode(errors="replace")
        raise TransformError(f"DataProcessing of {shown!r}: {error}") from error


def _check_types(content_type: str, accept: str, *, joins: bool) -> None:
    types = {"ContentType": content_type, "Accept": accept}
    for member, value in types.items():
        if _media_type(value) not in _FORMATS:
            raise ValidationException(
                f"DataProcessing with {member} {value!r}: expected one of {', '.join(_FORMATS)}."
            )
    if joins and (_media_type(content_type) == CSV) != (_media_type(accept) == CSV):
        raise ValidationException(
            f"JoinSource Input with ContentType {content_type!r} and Accept {accept!r}: expected "
            "CSV for both, or JSON for both."
        )
