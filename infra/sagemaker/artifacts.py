"""model.tar.gz: packed with its files at the root, unpacked without trusting what is inside."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from contracts import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

MAX_MEMBERS = 100_000
MAX_BYTES = 20 * 1024**3
"""Unpacked size at which an archive is taken for a bomb (SageMaker's own disk default is 30 GB)."""

COMPRESSION = 1
"""gzip level: weights hardly compress, so the fastest."""


def pack(folder: Path, archive: Path) -> None:
    """Write the contents of `folder` to a .tar.gz at `archive`, sorted, its files at the root."""
    with tarfile.open(archive, "w:gz", compresslevel=COMPRESSION) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)


def unpack(archive: Path, folder: Path) -> None:
    """Extract a .tar.gz into `folder`.

    Raises:
        ArtifactError: not a .tar.gz, a member that would land elsewhere, or too many or too large.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            _unpack_members(tar, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArtifactError(
            f"{archive.name}: {error}; expected a gzip-compressed tar archive",
            hint="make it with `tar -czf model.tar.gz` in the model's folder",
        ) from error


def _unpack_members(tar: tarfile.TarFile, folder: Path) -> None:
    size = 0
    for count, member in enumerate(tar, start=1):
        size += member.size
        if count > MAX_MEMBERS or size > MAX_BYTES:
            raise ArtifactError(
                f"archive of more than {MAX_MEMBERS} members or {MAX_BYTES} bytes",
                hint="an artifact holds a model and little else",
            )
        tar.extract(member, folder, filter="data")
