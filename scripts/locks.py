"""One program at a time in a folder."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts import SnapshelfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def sole_use(folder: Path, name: str) -> Iterator[None]:
    """Hold `folder`, made if missing, by a lock on the file `name` in it.

    The kernel drops the lock with the process that holds it, however that ends.

    Raises:
        SnapshelfError: the folder cannot be written to, or another program holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / name).open("a")
    except OSError as error:
        raise SnapshelfError(
            f"{folder}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SnapshelfError(
                f"{folder}: another snapshelf is at work there",
                hint="wait for it, stop it, or give another folder",
            ) from error
        yield
