"""S3 as a place to work in: objects written whole, read by ranges, listed and removed."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from contracts import DatasetError
from recordio_prep.errors import BrokenOffError
from recordio_prep.sources.s3_access import (
    BODY_ATTEMPTS,
    BROKEN_OFF,
    Address,
    client,
    code_of,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


_NOT_THERE = frozenset(("NoSuchKey", "404"))
_UPLOAD = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20)
"""S3 takes 10,000 parts of an object: 160 GB."""

_MOST_REMOVED = 1000
"""Keys in one DeleteObjects (S3's API reference)."""


def folder(uri: str) -> Address:
    """The prefix at an address, with its last slash.

    Raises:
        DatasetError: not an address of S3, or a bucket without a prefix.
    """
    address = Address.parse(uri.rstrip("/"))
    if not address.key:
        raise DatasetError(
            f"{uri}: a whole bucket, expected a prefix of its own",
            hint="give s3://bucket/some/prefix/",
        )
    return Address(address.bucket, address.key + "/")


def within(prefix: Address, name: str) -> Address:
    """An object below a prefix."""
    return Address(prefix.bucket, prefix.key + name)


def write(address: Address, content: IO[bytes]) -> None:
    """Upload an object: it appears as a whole, or what stood there stays.

    Of a large one that is broken off by a kill the parts stay, unseen; a lifecycle rule of the
    bucket (AbortIncompleteMultipartUpload) removes them.

    Raises:
        BrokenOffError: S3 refuses it, after several attempts.
    """
    with _told(address):
        client().upload_fileobj(content, address.bucket, address.key, Config=_UPLOAD)


def read(address: Address, start: int = 0, length: int | None = None) -> bytes | None:
    """`length` bytes of an object from `start` on, or all; fewer where it ends, None without it.

    Raises:
        BrokenOffError: S3 refuses it, after several attempts.
    """
    for _ in range(BODY_ATTEMPTS - 1):
        with contextlib.suppress(*BROKEN_OFF):
            return _asked(address, start, length)
    with _told(address):
        return _asked(address, start, length)


def version(address: Address) -> str | None:
    """An object's ETag and time of change; None without it.

    Raises:
        BrokenOffError: S3 does not say.
    """
    try:
        head = client().head_object(Bucket=address.bucket, Key=address.key)
    except ClientError as error:
        if code_of(error) in _NOT_THERE:
            return None
        raise _broken_off(error, address) from error
    except BotoCoreError as error:
        raise _broken_off(error, address) from error
    return f"{head['ETag']} {head['LastModified'].isoformat()}"


def sizes(prefix: Address) -> dict[str, int]:
    """Bytes of every object below a prefix, by the rest of its key.

    Raises:
        BrokenOffError: S3 does not list them.
    """
    with _told(prefix):
        pages = (
            client()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=prefix.bucket, Prefix=prefix.key)
        )
        return {
            listed["Key"][len(prefix.key) :]: listed["Size"]
            for page in pages
            for listed in page.get("Contents", [])
        }


def remove(prefix: Address, names: Iterable[str]) -> None:
    """Delete objects below a prefix; those that are not there are no matter.

    Raises:
        BrokenOffError: S3 refuses to.
    """
    keys = [prefix.key + name for name in names]
    for first in range(0, len(keys), _MOST_REMOVED):
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": key} for key in keys[first : first + _MOST_REMOVED]
        ]
        with _told(prefix):
            answer = client().delete_objects(
                Bucket=prefix.bucket, Delete={"Objects": objects, "Quiet": True}
            )
        for refused in answer.get("Errors", []):
            raise BrokenOffError(
                f"{prefix}: {refused.get('Key')} cannot be deleted: {refused.get('Message')}",
                hint="the credentials need s3:DeleteObject there",
            )


def _asked(address: Address, start: int, length: int | None) -> bytes | None:
    if length == 0:
        return b""
    last = "" if length is None else start + length - 1
    try:
        answer = client().get_object(
            Bucket=address.bucket, Key=address.key, Range=f"bytes={start}-{last}"
        )
    except ClientError as error:
        if code_of(error) in _NOT_THERE:
            return None
        if code_of(error) == "InvalidRange":
            return b""
        raise _broken_off(error, address) from error
    with contextlib.closing(answer["Body"]) as body:
        return body.read()


@contextlib.contextmanager
def _told(address: Address) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _broken_off(error, address) from error


def _broken_off(error: ClientError | BotoCoreError, address: Address) -> BrokenOffError:
    told = refusal(error, address)
    return BrokenOffError(told.message, hint=told.hint)
