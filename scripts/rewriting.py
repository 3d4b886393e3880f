"""An artifact that is changed where it lies: whole, or not at all."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import ARTIFACT_FILE
from infra.deploy.options import find_artifact
from infra.sagemaker.artifacts import pack, unpack
from scripts.locks import sole_use

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def rewritten(model: Path, out: Path | None = None) -> Iterator[Path]:
    """The files of an artifact, unpacked; what the block leaves of them becomes the new artifact.

    Where the block raises, nothing is written.

    Args:
        model: model.tar.gz, or the folder that holds one.
        out: the folder for the new model.tar.gz, made if missing; None replaces the old one.

    Raises:
        SnapshelfError: there is no artifact, or the folder cannot be used.
    """
    source = find_artifact(model)
    folder = out or source.parent
    with sole_use(folder, ".lock"), tempfile.TemporaryDirectory(dir=folder, prefix=".job-") as job:
        contents, archive = Path(job, "model"), Path(job, ARTIFACT_FILE)
        unpack(source, contents)
        yield contents
        pack([contents], archive)
        archive.replace(folder / (source.name if out is None else ARTIFACT_FILE))
