"""A photo into another folder: whole, and over no file that is there."""

from __future__ import annotations

import errno
import filecmp
import itertools
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    IsIt = Callable[[os.stat_result], bool]

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK})
"""Another file system, one without hard links, or a file with as many as there may be."""


def free_names(name: str) -> Iterator[str]:
    """The names to try in order: `a.jpg`, `a-2.jpg`, `a-3.jpg` and on."""
    yield name
    stem, dot, suffix = name.rpartition(".")
    for number in itertools.count(2):
        yield f"{stem}-{number}{dot}{suffix}"


def move_file(source: Path, folder: Path, name: str, is_it: IsIt) -> str | None:
    """Move a file to the first of `free_names` that no other bytes have.

    The same bytes under one of them are the file itself, moved before. Whoever takes a name at the
    same moment keeps it.

    Args:
        source: the file.
        folder: made if missing.
        name: below it, with slashes.
        is_it: whether a status is the file's that is meant; a program may replace it meanwhile.

    Returns:
        Its name below `folder`; None where another file has taken its place, and stays there.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    for free in free_names(name):
        target = folder / free
        try:
            placed = _place(source, target)
        except FileExistsError:
            if not _is_same(source, target):
                continue
        else:
            if not is_it(placed):
                target.unlink()
                return None
        if not is_it(source.stat()):
            return None
        source.unlink()
        return free
    raise AssertionError("unreachable: there is always another name")


def _is_same(source: Path, target: Path) -> bool:
    return target.is_file() and filecmp.cmp(source, target, shallow=False)


def _place(source: Path, target: Path) -> os.stat_result:
    """Let `target` be the file too, and tell whose status that is.

    Raises:
        FileExistsError: there is one of that name.
    """
    if not source.is_symlink():  # a link would point elsewhere from there
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            return target.stat()
    partial = target.with_name(f".{target.name}.partial")
    try:
        with source.open("rb") as file, partial.open("wb") as copy:
            shutil.copyfileobj(file, copy)
            status = os.fstat(file.fileno())
        shutil.copystat(source, partial)
        _name(partial, target)
        return status
    finally:
        partial.unlink(missing_ok=True)


def _name(partial: Path, target: Path) -> None:
    """Rename without replacing; where there are no hard links, an empty file keeps the name."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        target.touch(exist_ok=False)
        partial.replace(target)
