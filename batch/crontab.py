"""A job in a crontab: its line, between two marks by which it is found and replaced."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batch.cron import Cron


def crontab_line(cron: Cron, argv: Sequence[str], folder: Path, log: Path) -> str:
    """The line that runs `argv` in `folder` and appends what it says to `log`.

    A percent sign, which crontab(5) reads as a line's end, is quoted its way.

    Raises:
        BatchError: a path or an option has a line's end in it.
    """
    command = f"cd {shlex.quote(str(folder))} && {shlex.join(argv)} >> {shlex.quote(str(log))} 2>&1"
    if "\n" in command:
        raise BatchError(
            "a path or an option has a line's end in it: no crontab can hold that",
            hint="rename the folder",
        )
    return f"{cron.expression} {command}".replace("%", "\\%")


def with_block(crontab: str, key: str, line: str) -> str:
    """The crontab with the job's block: in the place of the one that it has, or else at its end.

    Args:
        crontab: all of it.
        key: by which the job is told from others; one line.
        line: as `crontab_line` makes it.

    Raises:
        BatchError: the block that is there has no end.
    """
    begin, end = _marks(key)
    lines = crontab.splitlines()
    block = [begin, line, end]
    if begin not in lines:
        return "\n".join([*lines, *block]) + "\n"
    first, last = _find(lines, begin, end)
    return "\n".join([*lines[:first], *block, *lines[last + 1 :]]) + "\n"


def without_block(crontab: str, key: str) -> str:
    """The crontab without the job's block; as it was where it has none.

    Raises:
        BatchError: as `with_block`.
    """
    begin, end = _marks(key)
    lines = crontab.splitlines()
    if begin not in lines:
        return crontab
    first, last = _find(lines, begin, end)
    left = [*lines[:first], *lines[last + 1 :]]
    return "\n".join(left) + "\n" if left else ""


def _marks(key: str) -> tuple[str, str]:
    return f"# BEGIN snapshelf batch {key}", f"# END snapshelf batch {key}"


def _find(lines: list[str], begin: str, end: str) -> tuple[int, int]:
    first = lines.index(begin)
    if end not in lines[first:]:
        raise BatchError(
            f"the crontab has {begin!r} without its {end!r}",
            hint="`crontab -e`, and remove the block by hand",
        )
    return first, lines.index(end, first)
