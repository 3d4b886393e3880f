"""Photos that came in: of a folder, below an S3 prefix, or those that data capture kept."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from contracts import DatasetError, SnapshelfError
from hosting.bodies import read_body
from infra.deploy.endpoints import VARIANT
from infra.deploy.policies import CAPTURE_PREFIX
from infra.deploy.scope import scope_of
from recordio_prep.sources.folders import PHOTO_EXTENSIONS
from recordio_prep.sources.s3_access import Address, refusals_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

    from infra.targets import Target

CAPTURE_SUFFIX = ".jsonl"
"""Of the files that SageMaker's data capture writes, a request and its answer a line."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A file or an object that holds photos: one, or those of the requests that were captured.

    Attributes:
        name: path or key.
        bucket: of an object, with the client that reads it; empty of a file.
    """

    name: str
    bucket: str = ""
    s3: S3Client | None = None

    def photos(self) -> Iterator[bytes | None]:
        """Each photo's bytes as they came; None for what is none.

        Raises:
            OSError: the file cannot be read.
            DatasetError: S3 refuses.
        """
        content = self._read()
        if not self.name.endswith(CAPTURE_SUFFIX):
            yield content
            return
        for line in content.splitlines():
            if line.strip():
                yield from _captured(line)

    def _read(self) -> bytes:
        if self.s3 is None:
            return Path(self.name).read_bytes()
        with refusals_told(Address(self.bucket, self.name)):
            return self.s3.get_object(Bucket=self.bucket, Key=self.name)["Body"].read()


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos to look at.

    Attributes:
        name: what a person calls them, a path or an address.
        places: where they are; at least one.

    Raises:
        DatasetError: there is no place.
    """

    name: str
    places: list[Place]

    def __post_init__(self) -> None:
        if not self.places:
            raise DatasetError(
                f"{self.name}: no photos there, nor requests that data capture kept"
                f" ({CAPTURE_SUFFIX})",
                hint="check the address; `snapshelf deploy --data-capture 100` keeps what comes in",
            )


def find_incoming(given: str | None, name: str, target: Target, days: float | None) -> Photos:
    """The photos that a person means.

    Args:
        given: a folder or an address `s3://bucket/prefix/`; None for what the deployment captured.
            Of its variants that is the one that answers: others have a share, or copies.
        name: of the deployment.
        target: where it stands.
        days: only what was changed within so many days; None for all.

    Raises:
        DatasetError: nothing is there, or S3 refuses.
    """
    since = _BEGINNING if days is None else datetime.now(UTC) - timedelta(days=days)
    if given is None:
        scope = scope_of(name, target)
        folder = f"{CAPTURE_PREFIX}/{scope.endpoint}/{VARIANT}/"
        given = f"s3://{scope.artifact_bucket}/{folder}"
    if given.startswith("s3://"):
        return Photos(given, places_below(target.client("s3"), given, since))
    if not Path(given).is_dir():
        raise DatasetError(f"{given}: no such folder", hint="give a folder, or s3://bucket/prefix/")
    return Photos(given, places_in(Path(given), since))


def places_in(folder: Path, since: datetime = _BEGINNING) -> list[Place]:
    """Files in a folder, however deep, that hold photos by their names.

    Args:
        folder: of photos, or of what data capture wrote.
        since: files that were changed earlier are left out.
    """
    files = (path for path in folder.rglob("*") if _holds_photos(path.name) and path.is_file())
    earliest = since.timestamp() if since > _BEGINNING else 0.0
    return [Place(str(path)) for path in sorted(files) if path.stat().st_mtime >= earliest]


def places_below(s3: S3Client, url: str, since: datetime = _BEGINNING) -> list[Place]:
    """Objects below `s3://bucket/prefix/` that hold photos by their names.

    Raises:
        DatasetError: it is no such address, or S3 refuses.
    """
    address = Address.parse(url)
    listing = s3.get_paginator("list_objects_v2")
    with refusals_told(address):
        pages = listing.paginate(Bucket=address.bucket, Prefix=address.key)
        return [
            Place(found["Key"], address.bucket, s3)
            for page in pages
            for found in page.get("Contents", [])
            if _holds_photos(found["Key"]) and found["LastModified"] >= since
        ]


def _holds_photos(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix == CAPTURE_SUFFIX or suffix in PHOTO_EXTENSIONS


def _captured(line: bytes) -> Iterator[bytes | None]:
    """The photos of one captured request."""
    try:
        asked = json.loads(line)["captureData"]["endpointInput"]
        photos = read_body(_body(asked), asked["observedContentType"]).photos
    except (ValueError, KeyError, TypeError, SnapshelfError):
        yield None
        return
    for photo in photos:
        yield photo if isinstance(photo, bytes) else None


def _body(asked: dict[str, Any]) -> bytes:
    if asked["encoding"] == "BASE64":
        return base64.b64decode(asked["data"], validate=True)
    text: str = asked["data"]
    return text.encode()
