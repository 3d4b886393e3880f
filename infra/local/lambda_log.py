"""What a Lambda worker prints, line by line and in order, among Lambda's own lines."""

from __future__ import annotations

import asyncio
import os
import time

LogLine = tuple[int, str]
"""Milliseconds since the epoch, and the line."""

_LARGEST_LINE = 256 * 1024
"""CloudWatch Logs' largest event, in bytes."""

_CHUNK = 65_536


class WorkerLog:
    """The lines of the invocation under way, read from a pipe whenever something is in it."""

    def __init__(self) -> None:
        self._lines: list[LogLine] = []
        self._rest = b""
        self._pipe, self.write_end = os.pipe()
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self.read)

    def write(self, line: str) -> None:
        """Add a line of Lambda's own."""
        self._lines.append((time.time_ns() // 1_000_000, line))

    def read(self) -> None:
        """Take what the worker has printed until now; the pipe never fills."""
        while self._pipe >= 0:
            try:
                part = os.read(self._pipe, _CHUNK)
            except BlockingIOError:
                break
            if not part:  # every process that could write has ended
                asyncio.get_running_loop().remove_reader(self._pipe)
                break
            *lines, self._rest = (self._rest + part).split(b"\n")
            if len(self._rest) > _LARGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._write_printed(line)

    def take(self) -> tuple[LogLine, ...]:
        """The lines since the last call."""
        lines, self._lines = tuple(self._lines), []
        return lines

    def end_output(self) -> None:
        """Read the last of an invocation's output, a line without an end too."""
        self.read()
        if self._rest:
            self._write_printed(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Give the pipe back."""
        if self._pipe >= 0:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _write_printed(self, line: bytes) -> None:
        # awslambdaric writes a line break inside a record as a carriage return
        self.write(line[:_LARGEST_LINE].decode("utf-8", "replace").replace("\r", "\n"))
