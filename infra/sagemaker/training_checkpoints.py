"""Checkpoints of a training job's hosts, kept equal to one place in S3."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from typing import TYPE_CHECKING

from infra.sagemaker.object_store import S3Location
from infra.sagemaker.training_sources import prefix_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.sagemaker.object_store import ObjectStore

logger = logging.getLogger(__name__)

Signature = tuple[int, int]
"""Size, and time of modification in nanoseconds."""


class CheckpointMirror:
    """Keeps CheckpointConfig.S3Uri equal to one host's /opt/ml/checkpoints. Its calls block.

    Every host restores everything and stores what it wrote itself; their files must have different
    names (SageMaker developer guide, *Use checkpoints in Amazon SageMaker*). So that a host does
    not send back what another has replaced since, what was in step with S3 is written into a
    ledger, which outlives the plane.

    Args:
        ledger: a JSON file outside `folder`.
    """

    def __init__(
        self, objects: ObjectStore, folder: Path, location: S3Location, ledger: Path
    ) -> None:
        self._objects, self._folder, self._location = objects, folder, location
        self._ledger = ledger
        self._stored = _read(ledger)
        # The last mirroring may begin while a regular one, no longer awaited, is still under way.
        self._one_at_a_time = threading.Lock()

    def restore(self, on_piece: Callable[[], None] | None = None) -> None:
        """Fetch what is stored, except over files that are newer here than what is stored of them.

        Those are what a run that was interrupted on this machine left. `on_piece` is called
        whenever some more has come; what it raises ends the fetching.
        """
        prefix = self._location.child("")
        inside = S3Location(prefix.bucket, f"{prefix.key}/" if prefix.key else "")
        present, before = self._scan(), dict(self._stored)
        for one in prefix_objects(self._objects, inside):
            name, path = str(one.path), self._folder / one.path
            if present.get(name) == self._stored.get(name):  # absent, or as it was stored
                path.parent.mkdir(parents=True, exist_ok=True)
                self._objects.download(one.location, path, on_piece)
                self._stored[name] = _signature(path)
        self._note(before)

    def store(self) -> None:
        """Upload what is new or changed, delete what is gone."""
        with self._one_at_a_time:
            self._store()

    def _store(self) -> None:
        present, before = self._scan(), dict(self._stored)
        for name, signature in present.items():
            if self._stored.get(name) != signature:
                with contextlib.suppress(FileNotFoundError):  # gone since; so is its turn
                    self._objects.upload(self._folder / name, self._location.child(name))
                    self._stored[name] = signature
        for name in self._stored.keys() - present.keys():
            self._objects.delete(self._location.child(name))
            del self._stored[name]
        self._note(before)

    def _scan(self) -> dict[str, Signature]:
        """The signature of each file, by path relative to the folder."""
        found: dict[str, Signature] = {}
        for path in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # renamed into place, or pruned, meanwhile
                signature = _signature(path)
                if path.is_file():
                    found[path.relative_to(self._folder).as_posix()] = signature
        return found

    def _note(self, before: dict[str, Signature]) -> None:
        if self._stored == before:
            return
        self._ledger.with_suffix(".new").write_text(json.dumps(self._stored))
        self._ledger.with_suffix(".new").replace(self._ledger)


def _signature(path: Path) -> Signature:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _read(ledger: Path) -> dict[str, Signature]:
    """What the ledger says; nothing where it is damaged, as after a loss of power.

    Then files that are here count as newer than what is stored, and all of them are sent again.
    """
    if not ledger.is_file():
        return {}
    try:
        entries = json.loads(ledger.read_text())
        return {name: (int(size), int(time)) for name, (size, time) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("%s is damaged (%r): all checkpoints are mirrored anew", ledger, error)
        return {}
