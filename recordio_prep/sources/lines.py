"""The lines of a text file that a stranger wrote: positions kept, and memory bounded."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE_BYTES = 1_048_576
"""Longest line that is looked at: a picture of 500 x 500 pixels, or 100,000 labels."""

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file.

    Attributes:
        number: From 1, blank lines counted.
        offset: Of its first byte; a byte order mark at the file's start is no part of it.
        text: Its bytes without the line break; None if they are more than MAX_LINE_BYTES.
    """

    number: int
    offset: int
    text: bytes | None


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Every line that is not blank; LF or CRLF ends one."""
    mark = file.read(len(codecs.BOM_UTF8))
    offset = len(mark) if mark == codecs.BOM_UTF8 else 0
    file.seek(offset)
    number = 0
    while read := file.readline(MAX_LINE_BYTES):
        number += 1
        text = read.removesuffix(b"\n").removesuffix(b"\r")
        if len(read) == MAX_LINE_BYTES and not read.endswith(b"\n"):
            yield Line(number, offset, None)
            offset += _rest(file)
        elif text.strip():
            yield Line(number, offset, text)
        offset += len(read)


def _rest(file: BinaryIO) -> int:
    """Read on to the end of the line; how many bytes that took."""
    length = 0
    while read := file.readline(MAX_LINE_BYTES):
        length += len(read)
        if read.endswith(b"\n"):
            break
    return length


def shown(field: str | bytes) -> str:
    """A field as a message quotes it: escaped, and shortened where it is long."""
    text = field if isinstance(field, str) else field.decode("utf-8", "backslashreplace")
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
