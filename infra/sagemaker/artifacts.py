"""model.tar.gz: packed with its files at the root, unpacked without trusting what is inside."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE, ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_MEMBERS = 100_000
MAX_BYTES = 20 * 1024**3
"""Unpacked size at which an archive is taken for a bomb (SageMaker's own disk default is 30 GB)."""

HINT = "make it with `tar -czf model.tar.gz *` in the model's folder"

COMPRESSION = 1
"""gzip level: weights hardly compress, so the fastest."""


def pack(folders: Sequence[Path], archive: Path) -> list[str]:
    """Write the contents of folders to one .tar.gz at `archive`, their files at the root.

    A link becomes what it leads to, for `unpack` takes none. Returns the names of files that more
    than one folder has; the first folder's is written.
    """
    written: dict[str, bool] = {}
    clashing: list[str] = []

    def first(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if member.name in written and not (member.isdir() and written[member.name]):
            clashing.append(member.name)
            return None
        written[member.name] = member.isdir()
        return member

    with tarfile.open(archive, "w:gz", compresslevel=COMPRESSION, dereference=True) as tar:
        for folder in folders:
            for path in sorted(folder.iterdir()):
                tar.add(path, arcname=path.name, filter=first)
    return clashing


def unpack(archive: Path, folder: Path) -> None:
    """Extract the files and folders of a .tar.gz into `folder`.

    Done by hand, for tarfile's own filter came only with Python 3.11.4.

    Raises:
        ArtifactError: not a .tar.gz, a member that would land elsewhere, a link or a device, or too
            many members or too large.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            size = 0
            for count, member in enumerate(tar, start=1):
                size += member.size
                _check_member(member, count, size)
                _extract(tar, member, folder / member.name)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ArtifactError(
            f"{archive.name}: {error}; expected a gzip-compressed tar archive", hint=HINT
        ) from error


def _check_member(member: tarfile.TarInfo, count: int, size: int) -> None:
    if count > MAX_MEMBERS or size > MAX_BYTES:
        raise ArtifactError(
            f"{ARTIFACT_FILE}: more than {MAX_MEMBERS} members or {MAX_BYTES} bytes",
            hint="an artifact holds a model and little else",
        )
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise ArtifactError(
            f"{ARTIFACT_FILE}: {member.name!r}; expected files and folders below the root",
            hint=HINT,
        )


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write a member that has passed the check; no link exists that could lead it elsewhere."""
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 - it is a file
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
