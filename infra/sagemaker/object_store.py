"""The S3 that jobs read from and write to, behind a seam that tests fill with memory."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DeployError
from infra.sagemaker.cloud_clients import STEADY, cloud_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3.client import S3Client

CHUNK_BYTES = 8 * 1024**2
"""Read at a time of an object that is streamed, and sent at once of a file; most are smaller."""

_S3_URI = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)


class StorageError(DeployError):
    """S3 refused, or does not hold what was asked for."""

    code = "storage"


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and a key or key prefix in it (which may be empty)."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Location:
        """Read `s3://bucket/key`.

        Raises:
            StorageError: another scheme.
        """
        match = _S3_URI.fullmatch(uri)
        if match is None:
            raise StorageError(f"{uri}: expected s3://bucket/key")
        return cls(*match.groups())

    def child(self, *names: str) -> S3Location:
        """A key under this prefix, slashes put between."""
        parts = [self.key.rstrip("/"), *names] if self.key else list(names)
        return S3Location(self.bucket, "/".join(part for part in parts if part))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectStore(Protocol):
    """What the plane needs of S3. The calls block: make them in a thread.

    Every other method raises StorageError where S3 refuses or cannot be reached.
    """

    def reachable(self) -> bool:
        """Whether S3 answers at all."""

    def keys(self, prefix: S3Location) -> list[str]:
        """All keys that begin with the prefix, sorted."""

    def exists(self, location: S3Location) -> bool:
        """Whether there is an object at exactly this key."""

    def download(
        self, location: S3Location, path: Path, on_piece: Callable[[], None] | None = None
    ) -> None:
        """Write an object to `path`, whose folder exists.

        `on_piece` is called, in any thread, whenever some more has come; what it raises ends the
        download, and nothing is left at `path`.
        """

    def read(self, location: S3Location) -> Iterator[bytes]:
        """The bytes of an object in pieces, as they come; raises while it is iterated over."""

    def upload(self, path: Path, location: S3Location) -> None:
        """Store a file as an object."""

    def delete(self, location: S3Location) -> None:
        """Remove an object; one that is not there is no error."""


class S3ObjectStore:
    """S3 itself, wherever `endpoint_url` says it is."""

    def __init__(self, endpoint_url: str, *, region: str, account: str) -> None:
        self._client: S3Client = cloud_client(
            "s3", endpoint_url, STEADY, region=region, account=account
        )

    def reachable(self) -> bool:
        """See ObjectStore."""
        try:
            self._client.list_buckets()
        except ClientError:
            return True
        except BotoCoreError:
            return False
        return True

    def keys(self, prefix: S3Location) -> list[str]:
        """See ObjectStore."""
        with _refusals(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=prefix.bucket, Prefix=prefix.key
            )
            return sorted(one["Key"] for page in pages for one in page.get("Contents", []))

    def exists(self, location: S3Location) -> bool:
        """See ObjectStore."""
        with _refusals(location):
            try:
                self._client.head_object(Bucket=location.bucket, Key=location.key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                    return False
                raise
        return True

    def download(
        self, location: S3Location, path: Path, on_piece: Callable[[], None] | None = None
    ) -> None:
        """See ObjectStore."""

        def note(_bytes: int) -> None:
            if on_piece:
                on_piece()

        with _refusals(location):
            self._client.download_file(location.bucket, location.key, str(path), Callback=note)

    def read(self, location: S3Location) -> Iterator[bytes]:
        """See ObjectStore."""
        # A piece a request: a reader that dawdles must not hold a connection until S3 cuts it.
        bucket, key = location.bucket, location.key
        with _refusals(location):
            first = self._client.get_object(Bucket=bucket, Key=key)
            length, tag = first["ContentLength"], first["ETag"]
            with contextlib.closing(first["Body"]) as body:
                piece = body.read(CHUNK_BYTES)
        yield piece
        for start in range(CHUNK_BYTES, length, CHUNK_BYTES):
            reach = f"bytes={start}-{start + CHUNK_BYTES - 1}"
            with _refusals(location):  # of the same version, should the object be replaced now
                answer = self._client.get_object(Bucket=bucket, Key=key, Range=reach, IfMatch=tag)
                piece = answer["Body"].read()
            yield piece

    def upload(self, path: Path, location: S3Location) -> None:
        """See ObjectStore."""
        with _refusals(location):
            if path.stat().st_size > CHUNK_BYTES:
                self._client.upload_file(str(path), location.bucket, location.key)
                return
            # Without the threads that upload_file starts for each: two thirds of its time.
            with path.open("rb") as body:
                self._client.put_object(Bucket=location.bucket, Key=location.key, Body=body)

    def delete(self, location: S3Location) -> None:
        """See ObjectStore."""
        with _refusals(location):
            self._client.delete_object(Bucket=location.bucket, Key=location.key)


@contextlib.contextmanager
def _refusals(location: S3Location) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        raise StorageError(f"{location}: {error}") from error
