"""Where a job stands, in one file of plain arrays, so that it can go on from there to the bit."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

KEPT = 2
"""The last one may be torn, where the machine died while it was written or sent to S3."""

_FORMAT = 1
_STATE = "state.json"
_PATTERN = "checkpoint-*.npz"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that the rest of a training depends on, besides its settings and its photos.

    Randomness is not in it: whatever is drawn follows from the seed, the epoch and the batch.

    Attributes:
        identity: of settings and photos; another job's checkpoint has another.
        epoch: the one under way, from 0.
        batch: how many of its batches are done.
        state: JSON-like: history, sums of the epoch under way, the optimizer's counts.
        arrays: by name: weights, the optimizer's memory, the best weights.
    """

    identity: str
    epoch: int
    batch: int
    state: dict[str, Any]
    arrays: dict[str, Any] = field(repr=False)


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the last ones.

    Raises:
        TrainingError: the disk is full, or cannot be written to.
    """
    try:
        return _save(folder, checkpoint)
    except OSError as error:
        raise TrainingError(
            f"a checkpoint could not be written to {folder.name}: {error.strerror}",
            hint="make room and give the same command again: it goes on from the last checkpoint",
        ) from error


def _save(folder: Path, checkpoint: Checkpoint) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{checkpoint.epoch:05d}-{checkpoint.batch:07d}.npz"
    document = {
        "format": _FORMAT,
        "identity": checkpoint.identity,
        "epoch": checkpoint.epoch,
        "batch": checkpoint.batch,
        "state": checkpoint.state,
    }
    partial = folder / f".{path.name}.partial"
    with partial.open("wb") as stream:
        text = np.frombuffer(json.dumps(document).encode(), np.uint8)
        np.savez(stream, **{_STATE: text}, **checkpoint.arrays)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    for old in sorted(folder.glob(_PATTERN))[:-KEPT]:
        old.unlink()
    return path


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; one that is not is told, and the one before it taken."""
    for path in sorted(folder.glob(_PATTERN), reverse=True):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            logger.warning("%s cannot be read, taking the one before it: %r", path.name, error)
    return None


def discard(folder: Path) -> None:
    """Remove what `save` has written."""
    for path in (*folder.glob(_PATTERN), *folder.glob(f".{_PATTERN}.partial")):
        path.unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        document = json.loads(stored[_STATE].tobytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, expected {_FORMAT}")
        arrays = {name: stored[name] for name in stored.files if name != _STATE}
    return Checkpoint(
        str(document["identity"]),
        int(document["epoch"]),
        int(document["batch"]),
        document["state"],
        arrays,
    )
