"""Photos that people named through the API: counted, and brought to this machine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import FEEDBACK_FOLDER
from infra.deploy.storage import TRANSFER
from infra.registry.refusals import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from infra.deploy.scope import Scope

_DEPTH = 3  # feedback/<category>/<SHA-256>.<suffix>


@dataclass(frozen=True, slots=True)
class Named:
    """A photo that somebody named.

    Attributes:
        key: of the object.
        category: that it was given.
        name: of the file.
        size: in bytes.
        moment: when it came, or came again.
    """

    key: str
    category: str
    name: str
    size: int
    moment: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """What people said to one deployment."""

    scope: Scope

    @property
    def url(self) -> str:
        """Where the photos lie, in a folder for each category."""
        return f"s3://{self.scope.artifact_bucket}/{FEEDBACK_FOLDER}/"

    def named(self) -> list[Named]:
        """Every photo that was named, by key; none where the deployment has no bucket.

        Raises:
            DeployError: the target refuses.
        """
        with refusals(self.scope, "read the feedback"):
            return list(self._listed())

    def _listed(self) -> Iterator[Named]:
        s3, bucket = self.scope.client("s3"), self.scope.artifact_bucket
        try:
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=f"{FEEDBACK_FOLDER}/"
            )
            for found in (each for page in pages for each in page.get("Contents", [])):
                parts = found["Key"].split("/")
                if len(parts) == _DEPTH and not any(part.startswith(".") for part in parts):
                    _, category, name = parts
                    yield Named(found["Key"], category, name, found["Size"], found["LastModified"])
        except s3.exceptions.NoSuchBucket:
            return

    def bring(self, photos: Sequence[Named], folder: Path, on_photo: Callable[[], object]) -> None:
        """Lay photos below category folders, and take away what is not among them.

        A photo that lies there already, as large, is not fetched again: its name is its SHA-256.

        Args:
            photos: that are wanted.
            folder: for these photos alone; made if absent.
            on_photo: called after each.

        Raises:
            DeployError: the target refuses.
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {folder / photo.category / photo.name: photo for photo in photos}
        for path in [path for path in folder.glob("*/*") if path not in wanted]:
            path.unlink()
        for path, photo in wanted.items():
            if not path.is_file() or path.stat().st_size != photo.size:
                self._fetch(photo, path)
            on_photo()
        for left in [left for left in folder.iterdir() if left.is_dir()]:
            if not any(left.iterdir()):
                left.rmdir()

    def _fetch(self, photo: Named, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f".{path.name}")
        with refusals(self.scope, f"fetch {photo.key}"):
            s3 = self.scope.client("s3")
            s3.download_file(self.scope.artifact_bucket, photo.key, str(partial), Config=TRANSFER)
        partial.replace(path)


def by_category(photos: Collection[Named]) -> dict[str, int]:
    """How many photos each category was given, the most first."""
    return dict(Counter(photo.category for photo in photos).most_common())
