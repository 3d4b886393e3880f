"""Processor time and memory of processes, read from the kernel's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

# Of proc(5): fields of /proc/<pid>/stat, counted from the one behind the program's name.
_SESSION, _USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 3, 11, 12, 21

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of one session.

    Attributes:
        cpu_seconds: of processor time since each was started.
        memory: share of this machine's memory, 0 to 1; pages that processes share count for each.
    """

    cpu_seconds: float
    memory: float


def session_usage(sessions: Container[int]) -> dict[int, Usage]:
    """What the processes of each session use; sessions without a process are left out."""
    ticks: dict[int, int] = {}
    pages: dict[int, int] = {}
    for fields in _stats():
        session = int(fields[_SESSION])
        if session in sessions:
            spent = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
            ticks[session] = ticks.get(session, 0) + spent
            pages[session] = pages.get(session, 0) + int(fields[_RESIDENT_PAGES])
    total = os.sysconf("SC_PHYS_PAGES")
    return {one: Usage(ticks[one] / _TICKS, pages[one] / total) for one in ticks}


def _stats() -> Iterator[list[str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has ended meanwhile
            yield stat.rpartition(")")[2].split()
