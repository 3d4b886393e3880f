"""Memory limits of child processes: a watch over what each child's whole session holds."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE, GIBIBYTE = 1024**2, 1024**3

LOOK_SECONDS = 0.1
"""Between two looks at the processes that are known."""

SEARCH_EVERY = 5
"""Looks until new processes of the sessions are searched for."""

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION_FIELD = 3
"""Place of `session` in /proc/<pid>/stat behind the command's name (proc(5), field 6)."""

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(slots=True, eq=False)
class MemoryLimit:
    """A child's limit while it is watched.

    Attributes:
        leader: the child, which leads a session of its own (as `processes.spawn` starts it).
        limit: bytes.
        exceeded: the child was killed for it.
    """

    leader: int
    limit: int
    exceeded: bool = False
    _members: set[int] = field(default_factory=set)

    def look(self) -> None:
        """Measure, and kill the child's group where it holds more than its limit.

        Pages that several processes of it share count once, but that is looked at only where they
        are too many when counted for each: it takes the kernel a hundred times as long.
        """
        held = sum(map(_resident, self._members))
        if held > self.limit and len(self._members) > 1:
            held = sum(map(_proportional, self._members))
        if held > self.limit:
            self.exceeded = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.leader, signal.SIGKILL)

    def search(self, sessions: dict[int, set[int]]) -> None:
        """Take the processes of the child's session as they are now."""
        self._members = sessions.get(self.leader, set()) | {self.leader}


class _Sessions:
    """The processes of every session; what is known of a process is not read again."""

    def __init__(self) -> None:
        self._session_of: dict[int, int] = {}

    def search(self) -> dict[int, set[int]]:
        """The processes that there are now, by session."""
        present = {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()}
        for ended in self._session_of.keys() - present:
            del self._session_of[ended]
        for pid in present - self._session_of.keys():
            with contextlib.suppress(OSError):
                stat = (_PROC / str(pid) / "stat").read_bytes()
                self._session_of[pid] = int(stat.rpartition(b")")[2].split()[_SESSION_FIELD])
        found: dict[int, set[int]] = {}
        for pid, session in self._session_of.items():
            found.setdefault(session, set()).add(pid)
        return found


class MemoryWatch:
    """Looks after all limits in one thread, which runs while there are any.

    It sees what lives in the child's session: a process that makes a session of its own leaves it.
    What a child takes and gives back between two looks stays unseen.
    """

    def __init__(self) -> None:
        self._limits: set[MemoryLimit] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._sessions = _Sessions()

    def add(self, leader: int, limit: int) -> MemoryLimit:
        """Begin to hold a child, by its process id, to a number of bytes."""
        one = MemoryLimit(leader, limit)
        one.search({})
        with self._lock:
            self._limits.add(one)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
                self._thread.start()
        return one

    def remove(self, one: MemoryLimit) -> None:
        """End it; call it before the child is reaped, or soon after. Once is enough."""
        with self._lock:
            self._limits.discard(one)

    def _run(self) -> None:
        looks = 0
        while True:
            with self._lock:
                if not self._limits:
                    self._thread = None
                    return
                if looks % SEARCH_EVERY == 0:
                    sessions = self._sessions.search()
                    for one in self._limits:
                        one.search(sessions)
                for one in self._limits:
                    one.look()
            looks += 1
            time.sleep(LOOK_SECONDS)


watch = MemoryWatch()
"""This process's own."""


def machine_bytes() -> int:
    """The memory of this machine, or of the control group that this process is confined to."""
    found = [os.sysconf("SC_PHYS_PAGES") * _PAGE]
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # absent, or the word `max`
            found.append(int(path.read_text()))
    return min(found)


def _resident(pid: int) -> int:
    """Bytes in memory; 0 for a process that has ended."""
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """The same with shared pages divided among those that share them."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
