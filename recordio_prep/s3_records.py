"""A prefix of S3 as the place where records go, by the same rules as a folder."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import DATASET_FILE, DatasetError
from recordio_prep import s3_storage
from recordio_prep.dataset import Dataset
from recordio_prep.stamp import STAMP_FILE, Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from recordio_prep.sources.s3_access import Address


@dataclass(frozen=True, slots=True)
class S3Records:
    """`s3://bucket/prefix/`: each object appears as a whole, and dataset.json comes last.

    Attributes:
        uri: As a person gave it.
    """

    uri: str

    def __str__(self) -> str:
        return self.uri

    @property
    def prefix(self) -> Address:
        """With its last slash."""
        return s3_storage.folder(self.uri)

    def sizes(self) -> dict[str, int]:
        """Bytes of what is there, by name."""
        return s3_storage.sizes(self.prefix)

    def bring(self, files: Iterable[Path]) -> None:
        """Upload files under their own names."""
        for file in files:
            with file.open("rb") as content:
                s3_storage.write(s3_storage.within(self.prefix, file.name), content)

    def remove(self, names: Iterable[str]) -> None:
        """Delete what is there by these names."""
        s3_storage.remove(self.prefix, names)

    def distrust(self) -> None:
        """Take away what vouches for the records, before they change."""
        self.remove([DATASET_FILE, STAMP_FILE])

    def vouch(self, dataset: Dataset, stamp: Stamp) -> None:
        """Write dataset.json, and the stamp after it."""
        for name, text in ((DATASET_FILE, dataset.text()), (STAMP_FILE, stamp.text())):
            s3_storage.write(s3_storage.within(self.prefix, name), io.BytesIO(text.encode()))

    def dataset(self) -> Dataset | None:
        """What dataset.json says; None where there is none, or it is damaged."""
        document = self._document(DATASET_FILE)
        try:
            return None if document is None else Dataset.from_dict(document)
        except (DatasetError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def version(self) -> str | None:
        """Of dataset.json: S3's ETag and time of change; None where there is none."""
        return s3_storage.version(s3_storage.within(self.prefix, DATASET_FILE))

    def stamp(self) -> Stamp | None:
        """What the last run left; None where there is none, or it is damaged."""
        try:
            return Stamp(**(self._document(STAMP_FILE) or {}))
        except TypeError:
            return None

    def _document(self, name: str) -> dict[str, Any] | None:
        content = s3_storage.read(s3_storage.within(self.prefix, name))
        try:
            document: dict[str, Any] = json.loads(content or b"{}")
        except ValueError:
            return None
        return document or None
