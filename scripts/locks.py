"""One program at a time in a folder, or on a file."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts import SnapshelfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class InUseError(SnapshelfError):
    """Another program holds what this one would use; it may be there again later."""

    code = "in_use"


@contextmanager
def sole_use(
    folder: Path, name: str, *, held: Path | None = None, instead: str = "another folder"
) -> Iterator[None]:
    """Hold `folder`, made if missing, by a lock on the file `name` in it.

    The kernel drops the lock with the process that holds it, however that ends.

    Args:
        folder: where the lock is.
        name: of the lock.
        held: what the lock stands for, where that is not all of the folder.
        instead: what to give in its place, as the hint says it.

    Raises:
        SnapshelfError: the folder cannot be written to.
        InUseError: another program holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / name).open("a")
    except OSError as error:
        raise SnapshelfError(
            f"{folder}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
    with lock:
        _hold(lock.fileno(), held or folder, f"wait for it, stop it, or give {instead}")
        yield


@contextmanager
def sole_reading(folder: Path) -> Iterator[None]:
    """Hold `folder` without a file in it, by a lock on the folder itself.

    Raises:
        SnapshelfError: the folder cannot be opened.
        InUseError: another program holds it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SnapshelfError(
            f"{folder}: {error.strerror}", hint="give a folder that can be read"
        ) from error
    try:
        _hold(descriptor, folder, "wait for it, or stop it")
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, held: Path, hint: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUseError(f"{held}: another snapshelf is at work on it", hint=hint) from error
