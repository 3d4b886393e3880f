"""A job as a systemd timer: the two unit files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batch.cron import Cron

_PLAIN = re.compile(r"[\w@+=:,./-]+", re.ASCII)


def service_unit(title: str, argv: Sequence[str], folder: Path) -> str:
    """The service: one run. systemd itself keeps a second from starting beside it.

    Exit code 3, another run at work, is no failure of the unit's.

    Raises:
        BatchError: a path or an option has a line's end in it.
    """
    command = " ".join(map(_quoted, argv))
    return (
        f"[Unit]\nDescription={_specifiers(title)}\n\n"
        f"[Service]\nType=oneshot\nWorkingDirectory={_specifiers(str(folder))}\n"
        f"ExecStart={command}\nSuccessExitStatus=3\n"
    )


def timer_unit(title: str, cron: Cron) -> str:
    """The timer, by which a run that was missed while the machine was off is made up for."""
    times = "".join(f"OnCalendar={line}\n" for line in cron.on_calendar())
    return (
        f"[Unit]\nDescription={_specifiers(title)}, by schedule\n\n"
        f"[Timer]\n{times}Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )


def _quoted(argument: str) -> str:
    """An argument as systemd.service(5) reads a command line: quotes, specifiers, variables."""
    if "\n" in argument:
        raise BatchError(
            f"{argument!r} has a line's end in it: no unit file can hold that",
            hint="rename the folder",
        )
    told = _specifiers(argument).replace("$", "$$")
    if _PLAIN.fullmatch(argument):
        return told
    return '"' + told.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
