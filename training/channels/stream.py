"""Photos that come through a pipe: records, or a manifest's photos and labels in turn."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import TrainingError
from photo import looks_like_photo
from training.channels.given import GivenPhoto
from training.channels.recordio import frames, unpack
from training.channels.scan import Labels, check_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.channels.recordio import Frame
    from training.environment import ChannelInput

CLASS_ID, MULTI_HOT = "class-id", "multi-hot"
"""Forms of several labels in an augmented manifest: [0, 2], or [1, 0, 1]; the second by default."""

_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class LabelForm:
    """How an augmented manifest's labels read.

    Attributes:
        classes: How many there are, 0 where it is not known.
        multi_label: Whether a photo has several labels.
        label_format: CLASS_ID or MULTI_HOT.
    """

    classes: int
    multi_label: bool
    label_format: str = MULTI_HOT

    def read(self, text: bytes) -> Labels:
        """Labels, (1,) float32 or (classes,), of an attribute's JSON text.

        Source: SageMaker developer guide, *Image Classification Algorithm*, *Train with Augmented
        Manifest Image Format*.

        Raises:
            ValueError: it is none of the form.
        """
        value = _json(text)
        if isinstance(value, list) != self.multi_label:
            expected = "an array, as multi_label=1" if self.multi_label else "one, or multi_label=1"
            raise ValueError(f"label {value!r}, expected {expected}")
        numbers = value if isinstance(value, list) else [value]
        if not all(type(number) in {int, float} for number in numbers):
            raise ValueError(f"label {value!r}, expected numbers of classes")
        if self.multi_label and self.label_format == CLASS_ID:
            return self._hot(numbers)
        if self.multi_label and self.classes not in {0, len(numbers)}:
            raise ValueError(f"{len(numbers)} labels, expected a 0 or 1 for {self.classes} classes")
        return np.array(numbers, np.float32)

    def _hot(self, numbers: list[Any]) -> Labels:
        if not self.classes:
            raise ValueError("labels are class ids, expected num_classes to be given")
        labels = np.zeros(self.classes, np.float32)
        for number in numbers:
            if number % 1 or not 0 <= number < self.classes:
                raise ValueError(f"class {number}, expected 0 to {self.classes - 1}")
            labels[int(number)] = 1
        return labels


def piped_photos(
    channel: str, pipe: Path, source: ChannelInput, *, classes: int, multi_label: bool
) -> Iterator[GivenPhoto]:
    """Every photo that comes through a pipe until it is closed.

    A first record that is a photo file begins an augmented manifest's stream; in one of RecordIO
    files it begins with the header that MXNet packs.

    Raises:
        TrainingError: there is no pipe, its stream is damaged or ends between a photo and its
            label, a label is of another form, or the job announced a manifest and sends none.
    """
    form = LabelForm(classes, multi_label, source.label_format or MULTI_HOT)
    try:
        with pipe.open("rb") as stream:
            found = frames(stream)
            first = next(found, None)
            if first is None:
                return
            found = itertools.chain((first,), found)
            if looks_like_photo(first.data[:_SIGNATURE_BYTES]):
                yield from _manifest(found, form)
            else:
                yield from _records(found)
    except FileNotFoundError as error:
        raise TrainingError(
            f"channel {channel} is in Pipe mode, but {pipe.name} is not there"
        ) from error
    except ValueError as error:
        hint = _hint(source, multi_label=multi_label)
        raise TrainingError(f"channel {channel}: {pipe.name}: {error}", hint=hint) from error


def _hint(source: ChannelInput, *, multi_label: bool) -> str:
    if multi_label and source.label_format != CLASS_ID:
        return f"lists of class ids: ContentType application/x-recordio; label-format={CLASS_ID}"
    return "a stream of RecordIO: .rec files, or an augmented manifest with RecordWrapperType"


def _records(found: Iterator[Frame]) -> Iterator[GivenPhoto]:
    for number, frame in enumerate(found):
        record = unpack(frame.data)
        name = f"photo {number}"
        check_labels(record.labels, name)
        yield GivenPhoto(name, record.labels, record.photo)


def _manifest(found: Iterator[Frame], form: LabelForm) -> Iterator[GivenPhoto]:
    for number, photo in enumerate(found):
        name = f"photo {number}"
        label = next(found, None)
        if label is None:
            raise ValueError(f"ends with {name}, expected its label behind it")
        try:
            labels = form.read(label.data)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        check_labels(labels, name)
        yield GivenPhoto(name, labels, photo.data)


def _json(text: bytes) -> Any:
    """The attribute's value; SageMaker's own examples have classes as text, `"class": "0"`."""
    try:
        value = json.loads(text)
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"label {text[:40]!r}, expected a class's number") from error
