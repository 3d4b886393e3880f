"""Photos below a folder or an S3 prefix: listed one by one, and read when their turn comes."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from batch.errors import BatchError
from batch.moving import free_names, move_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3.client import S3Client

PHOTO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "bmp"),
        *("heic", "heif", "tif", "tiff"),
    )
)
"""Names that promise a photo; where the API does not read one, as phones' HEIC, its row says so."""

UNREADABLE = (OSError, BotoCoreError, ClientError)
"""What `Source.read` and `Source.move` raise where one photo cannot be had."""

_S3 = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as the listing tells it.

    Attributes:
        name: its path below the source, with slashes; what the table calls `filename`.
        size: bytes.
        stamp: changes with the content: a file's time of change in nanoseconds, an object's ETag.
    """

    name: str
    size: int
    stamp: str


class LeftOut(Enum):
    """What stands beside the photos and is not sent."""

    OTHER = "its ending is no photo's"
    HIDDEN = "its name begins with a dot"
    FOLDER_LINK = "a link to a folder"


class Source(Protocol):
    """Where photos come from."""

    def photos(self) -> Iterator[Photo | LeftOut]:
        """Every photo, in no order, and why anything else that is there is none."""

    def read(self, name: str) -> bytes:
        """A photo's bytes; one of UNREADABLE where it cannot be had."""

    def move(self, photo: Photo, destination: str) -> str | None:
        """Move a photo below `destination`, over no other; one that is gone was moved before.

        Returns:
            Its name there: its own, or where other bytes have that, the first free one of
            `a-2.jpg`, `a-3.jpg` and on. The same bytes are the photo, moved before. None where it
            is another photo than the one that was listed: that one stays.
        """


def open_source(address: str, s3: Callable[[], S3Client]) -> Source:
    """The source at `address`.

    Args:
        address: a folder, or `s3://bucket/prefix`.
        s3: makes a client; called only where it is needed.

    Raises:
        BatchError: there is no such folder, or the address names no bucket.
    """
    if not address.startswith("s3:"):
        return FolderSource(Path(address))
    return S3Source(s3(), *parse_s3(address))


def parse_s3(address: str) -> tuple[str, str]:
    """Bucket and prefix; a prefix that is not empty ends in a slash, so that it is a folder.

    Raises:
        BatchError: it is no such address.
    """
    match = _S3.fullmatch(address)
    if match is None:
        raise BatchError(
            f"{address!r}: expected s3://bucket/prefix", hint="`aws s3 ls` lists the buckets"
        )
    bucket, prefix = match.groups()
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def is_photo(name: str) -> bool:
    """Whether it may be a photo, by its ending; hidden files are none."""
    return _left_out(name) is None


def _left_out(name: str) -> LeftOut | None:
    path = PurePosixPath(name)
    if path.name.startswith("."):
        return LeftOut.HIDDEN
    return None if path.suffix.lower() in PHOTO_SUFFIXES else LeftOut.OTHER


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; a pipe, a device or a socket is refused, not waited for.

    Raises:
        OSError: it cannot be read, or is none.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    # A pipe that takes the file's place at this moment is empty, where it would be waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        return file.read()


class FolderSource:
    """A folder of photos, at any depth; links to folders are not followed, since they may go round.

    Raises:
        BatchError: there is no such folder, or it cannot be listed.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise BatchError(
                f"{root} is no folder: expected one with photos", hint="name a folder that is there"
            )
        self.root = root

    def photos(self) -> Iterator[Photo | LeftOut]:
        folders = [""]
        while folders:
            below = folders.pop()
            try:
                entries = os.scandir(self.root / below)
            except OSError as error:
                raise BatchError(
                    f"{self.root / below} cannot be listed: {error.strerror}",
                    hint="give the job the right to read it, or move it away",
                ) from error
            with entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    else:
                        yield _file(name, entry)

    def read(self, name: str) -> bytes:
        return read_file(self.root / name)

    def move(self, photo: Photo, destination: str) -> str | None:
        def is_it(status: os.stat_result) -> bool:
            return (status.st_size, _stamp(status)) == (photo.size, photo.stamp)

        source = self.root / photo.name
        try:
            if not is_it(source.stat()):
                return None
        except FileNotFoundError:
            return photo.name
        return move_file(source, Path(destination), photo.name, is_it)


def _file(name: str, entry: os.DirEntry[str]) -> Photo | LeftOut:
    left_out = _left_out(name)
    try:
        told = entry.stat()
    except OSError:  # gone meanwhile, or a link to nowhere: it is told of when it is read
        return left_out or Photo(name, 0, "")
    if stat.S_ISDIR(told.st_mode):
        return LeftOut.FOLDER_LINK
    if left_out is not None:
        return left_out
    return Photo(name, told.st_size, _stamp(told))


def _stamp(status: os.stat_result) -> str:
    return str(status.st_mtime_ns)


class S3Source:
    """The objects below a prefix, asked for by a thousand."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def photos(self) -> Iterator[Photo | LeftOut]:
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for item in page.get("Contents", []):
                    name = item["Key"].removeprefix(self._prefix)
                    if name and not name.endswith("/"):  # what consoles make for an empty folder
                        yield _left_out(name) or Photo(name, item["Size"], item["ETag"])
        except (BotoCoreError, ClientError) as error:
            raise BatchError(
                f"s3://{self._bucket}/{self._prefix} cannot be listed: {error}",
                hint="is the bucket's name right, and may your credentials list it?",
            ) from error

    def read(self, name: str) -> bytes:
        answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{name}")
        return answer["Body"].read()

    def move(self, photo: Photo, destination: str) -> str | None:
        """As `Source.move`; content type and metadata go along, tags and storage class do not.

        By PutObject: CopyObject keeps from overwriting too, but not on every S3 that there is.
        """
        bucket, prefix = parse_s3(destination)
        key = f"{self._prefix}{photo.name}"
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=photo.stamp)
        except ClientError as error:
            if _code(error) == "PreconditionFailed":
                return None
            if _code(error) != "NoSuchKey":
                raise
            return photo.name
        data = found["Body"].read()
        kept = {"ContentType": found["ContentType"], "Metadata": found["Metadata"]}
        for name in free_names(photo.name):
            if self._put(bucket, f"{prefix}{name}", data, kept):
                break
        return name if self._delete(key, photo.stamp) else None

    def _delete(self, key: str, etag: str) -> bool:
        """Whether the object of this ETag is gone; False where another has taken its place."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            if _code(error) == "PreconditionFailed":
                return False
            if _code(error) != "NoSuchKey":
                raise
        return True

    def _put(self, bucket: str, key: str, data: bytes, kept: dict[str, Any]) -> bool:
        """Whether these bytes stand there now; False where others do."""
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*", **kept)
        except ClientError as error:
            if _code(error) != "PreconditionFailed":
                raise
            there = self._client.get_object(Bucket=bucket, Key=key)
            return there["ContentLength"] == len(data) and there["Body"].read() == data
        return True


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
