"""Files that are there as a whole or not at all, and one writer to a folder at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import IO, TYPE_CHECKING

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_FILE = ".lock"
_STAGING_FOLDER = ".staging"


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name, to the disk itself, then rename it."""
    temporary = path.with_name(f".{path.name}.partial")
    with written_through(temporary) as file:
        file.write(text)
    temporary.replace(path)


@contextlib.contextmanager
def written_through(path: Path) -> Iterator[IO[str]]:
    """A file for UTF-8 text, which is on the disk itself once the block has ended."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder outlive a loss of power, as the files themselves do."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sizes_in(folder: Path) -> dict[str, int]:
    """Bytes of every file in a folder, by name."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """An empty folder inside `folder`, for this process alone; it is removed at the end.

    What a killed run left of it is removed first.

    Raises:
        DatasetError: `folder` cannot be written to, now or inside the block, or another process is
            at work in it.
    """
    with sole_writer(folder):
        scratch = folder / _STAGING_FOLDER
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir()
            yield scratch
        except OSError as error:  # a full disk, mostly
            raise DatasetError(
                f"{folder}: {error.strerror}", hint="free some space, or give another folder"
            ) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep every other process out of `folder`, which is made if absent.

    The kernel drops the lock with the process that holds it, however that ends.

    Raises:
        DatasetError: `folder` cannot be written to, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not through a link, which could lead to a file that is not ours.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.fdopen(os.open(folder / _LOCK_FILE, flags, 0o644), "r+")
    except OSError as error:
        raise DatasetError(
            f"{folder}: {error.strerror}", hint="give a folder that can be written to"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(
                f"{folder}: another process is writing here",
                hint="wait for it to end, or give another folder",
            ) from error
        yield
