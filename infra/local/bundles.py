"""Deployed zips on disk: each is extracted once, under the digest of its content."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import uuid
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def extract(bundle: bytes, folder: Path) -> Path:
    """The folder under `folder` with the zip's files; made by the first call, whole or not at all.

    Raises:
        zipfile.BadZipFile: the bytes are not a zip.
    """
    target = folder / hashlib.sha256(bundle).hexdigest()
    if target.is_dir():
        return target
    partial = target.with_name(f"{uuid.uuid4().hex}.partial")
    partial.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for member in archive.infolist():
            path = archive.extract(member, partial)  # zipfile keeps the names inside the folder
            mode = member.external_attr >> 16 & 0o777
            if mode:
                os.chmod(path, mode | 0o400)  # noqa: PTH101
    try:
        partial.rename(target)
    except OSError:  # another call was faster
        shutil.rmtree(partial, ignore_errors=True)
    return target
