"""SageMaker's resources as JSON documents, one file each, which survive a restart."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]

TRAINING_JOB = "training-job"
TRANSFORM_JOB = "transform-job"
MODEL = "model"
MODEL_PACKAGE = "model-package"
MODEL_PACKAGE_GROUP = "model-package-group"
ENDPOINT_CONFIG = "endpoint-config"
ENDPOINT = "endpoint"
ASYNC_REQUEST = "async-request"
SCALABLE_TARGET = "scalable-target"
KINDS = (
    TRAINING_JOB,
    TRANSFORM_JOB,
    MODEL,
    MODEL_PACKAGE,
    MODEL_PACKAGE_GROUP,
    ENDPOINT_CONFIG,
    ENDPOINT,
    ASYNC_REQUEST,
    SCALABLE_TARGET,
)
"""Kinds of resource, named as in their ARNs; each is a folder of documents. Requests that
wait and scalable targets have no such ARN; they are kept as the resources are."""


def now() -> float:
    """The time as awsJson1.1 writes it: seconds since 1970, to the millisecond."""
    return round(time.time(), 3)


class DocumentStore:
    """Documents by kind and name: read once, kept in memory, written through atomically.

    A name has passed the service model's pattern (letters, digits, hyphens), so it is a safe file
    name; the slash before a model package's version is written as in an address. Members that the
    API does not know (`Tags`, and others of ours) never leave the store, since answers are filtered
    by the service model.
    """

    def __init__(self, folder: Path, *, region: str, account: str) -> None:
        self._folder = folder
        self._arn_prefix = f"arn:aws:sagemaker:{region}:{account}:"
        self._documents: dict[str, dict[str, Document]] = {kind: {} for kind in KINDS}

    def load(self) -> None:
        """Read every document; what a killed write left behind is removed."""
        for kind, documents in self._documents.items():
            folder = self._folder / kind
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("*.part"):
                leftover.unlink()
            documents.update(
                {unquote(path.stem): json.loads(path.read_text()) for path in folder.glob("*.json")}
            )

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource, whether it exists or not."""
        return f"{self._arn_prefix}{kind}/{name}"

    def get(self, kind: str, name: str) -> Document | None:
        """The document itself: change it, then `put` it."""
        return self._documents[kind].get(name)

    def find(self, arn: str) -> tuple[str, str, Document] | None:
        """Kind, name and document of the resource that has this ARN."""
        kind, _, name = arn.removeprefix(self._arn_prefix).partition("/")
        document = self._documents.get(kind, {}).get(name)
        if document is None or self.arn(kind, name) != arn:
            return None
        return kind, name, document

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind, in no particular order."""
        return list(self._documents[kind].values())

    def put(self, kind: str, name: str, document: Document) -> None:
        """Store a document: on disk it is the old one or the new one, never a part."""
        path = self._path(kind, name)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(document))
        part.replace(path)
        self._documents[kind][name] = document

    def delete(self, kind: str, name: str) -> None:
        """Forget a document."""
        self._path(kind, name).unlink(missing_ok=True)
        self._documents[kind].pop(name, None)

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / f"{quote(name, safe='')}.json"
