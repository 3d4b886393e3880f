"""The file by which a running cloud is found: its process and when that process started."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.settings import CloudSettings

_FILE = "cloud.json"
_START_FIELD = 19
"""Place of `starttime` in /proc/<pid>/stat behind the command's name (proc(5), field 22)."""


@dataclass(frozen=True, slots=True)
class CloudInfo:
    """A running local cloud.

    Attributes:
        pid: its process.
        port: where it listens.
        host: the address it is bound to.
        endpoint_url: for AWS_ENDPOINT_URL.
        state: its folder.
        uptime: seconds since it was ready.
    """

    pid: int
    port: int
    host: str
    endpoint_url: str
    state: Path
    uptime: float


def write(settings: CloudSettings) -> None:
    """Say that this process is the cloud of this state folder, ready to answer."""
    document = {
        "pid": os.getpid(),
        "started": start_time(os.getpid()),
        "port": settings.port,
        "host": settings.host,
        "endpoint_url": settings.endpoint_url,
        "ready": time.time(),
    }
    partial = settings.state / f"{_FILE}.partial"
    partial.write_text(json.dumps(document), "utf-8")
    partial.replace(settings.state / _FILE)


def remove(settings: CloudSettings) -> None:
    """Say that no cloud answers here any more."""
    (settings.state / _FILE).unlink(missing_ok=True)


def read(state: Path) -> CloudInfo | None:
    """The cloud that runs on a state folder; None for none, or for a killed one's file."""
    try:
        document = json.loads((state / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if document["started"] != start_time(document["pid"]):
        return None
    return CloudInfo(
        pid=document["pid"],
        port=document["port"],
        host=document["host"],
        endpoint_url=document["endpoint_url"],
        state=state,
        uptime=round(max(0.0, time.time() - document["ready"]), 1),
    )


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else int(fields[_START_FIELD - 1])
