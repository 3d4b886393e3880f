"""Records into a bucket, each split a channel of training jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DATASET_FILE, MANIFEST_FILE, SPLITS, DeployError, TrainingError
from infra.deploy.resources import StoredFile
from infra.deploy.service import is_absent
from infra.deploy.storage import SHA256_METADATA, upload

if TYPE_CHECKING:
    from pathlib import Path

    from infra.targets import Target

OnUpload: TypeAlias = Callable[[str, int, int], None]
"""Takes a file's key, how many of its bytes are sent, and how many it has."""

_FINGERPRINT_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Channel:
    """One of a job's inputs: everything under an S3 prefix."""

    name: str
    uri: str


def upload_records(
    target: Target,
    records: Path,
    bucket: str,
    *,
    prefix: str = "datasets",
    on_upload: OnUpload | None = None,
) -> tuple[Channel, ...]:
    """Put records into a bucket, each split in a folder of its own; what stands is not sent again.

    Args:
        target: where the bucket is.
        records: the folder that `snapshelf prepare` wrote: `dataset.json`, and for each split
            `<split>.rec` with its `.idx` and `.lst`, or shards of it and `manifest.json`.
        bucket: it must exist.
        prefix: keys are `<prefix>/<fingerprint>/<split>/<file>`.
        on_upload: told of every part that is sent.

    Returns:
        A channel for each split that is there.

    Raises:
        TrainingError: the folder holds no records.
        DeployError: the bucket cannot be written to.
    """
    fingerprint = _fingerprint(records)
    s3 = target.client("s3")
    channels = []
    for split in SPLITS:
        files = sorted([*records.glob(f"{split}.*"), *records.glob(f"{split}_*.*")])
        if not any(path.suffix == ".rec" for path in files):
            continue
        folder = f"{prefix}/{fingerprint}/{split}"
        manifest = [records / MANIFEST_FILE] if (records / MANIFEST_FILE).exists() else []
        for path in (*files, records / DATASET_FILE, *manifest):
            _upload_once(s3, bucket, f"{folder}/{path.name}", path, on_upload)
        channels.append(Channel(split, f"s3://{bucket}/{folder}/"))
    if not channels:
        raise TrainingError(
            f"{records} holds no records: expected {', '.join(f'{s}.rec' for s in SPLITS)}",
            hint="make them first: `snapshelf prepare PHOTOS --out RECORDS`",
        )
    return tuple(channels)


def _fingerprint(records: Path) -> str:
    path = records / DATASET_FILE
    try:
        fingerprint = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{path} is not there, or names no fingerprint",
            hint="make the records anew: `snapshelf prepare PHOTOS --out RECORDS`",
        ) from error
    return str(fingerprint).removeprefix("sha256:")[:_FINGERPRINT_DIGITS]


def _upload_once(s3: Any, bucket: str, key: str, path: Path, on_upload: OnUpload | None) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    sent = 0

    def progress(count: int) -> None:
        nonlocal sent
        sent += count
        if on_upload is not None:
            on_upload(key, sent, size)

    try:
        if _stands(s3, bucket, key, size, sha256):
            return
        file = StoredFile(key, path, sha256, "application/octet-stream", "private")
        upload(s3, bucket, file, progress)
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise DeployError(
            f"{path.name} could not be uploaded to {bucket}: {error}",
            hint="run the same command again: what is uploaded is not sent twice",
        ) from error


def _stands(s3: Any, bucket: str, key: str, size: int, sha256: str) -> bool:
    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_absent(error):
            return False
        raise
    return bool(head["ContentLength"] == size and head["Metadata"].get(SHA256_METADATA) == sha256)
