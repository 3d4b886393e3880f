"""Photos below a prefix of an S3 bucket, whose first folder is the category."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError

from contracts import MAX_PHOTO_BYTES, DatasetError, PhotoError
from photo import looks_like_photo
from recordio_prep.errors import BrokenOffError
from recordio_prep.sources.folders import PHOTO_EXTENSIONS
from recordio_prep.sources.s3_access import (
    BODY_ATTEMPTS,
    BROKEN_OFF,
    Address,
    client,
    code_of,
    is_about_access,
    refusal,
    refusals_told,
)
from recordio_prep.sources.source import (
    ClassesThatOccur,
    FlatCategories,
    LeftOut,
    Photo,
    SingleLabel,
    is_listable,
    normalised,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ObjectTypeDef

    from recordio_prep.sources.source import Entry

_SIGNATURE_BYTES = 32
_COLD = frozenset(("GLACIER", "DEEP_ARCHIVE"))
"""Storage classes that cannot be read before they are restored (GLACIER_IR can)."""


@dataclass(frozen=True, slots=True)
class S3Prefix(ClassesThatOccur, SingleLabel, FlatCategories):
    """`s3://bucket/prefix/<category>/...`, by the rules of category folders.

    A `Source`. An object is as it was listed, by its ETag, or its `read` says that it is not.

    Attributes:
        uri: The bucket and prefix; the prefix is a folder, with or without its last slash.

    Raises:
        DatasetError: not an address of S3.
    """

    uri: str

    def __post_init__(self) -> None:
        Address.parse(self.uri)

    @property
    def name(self) -> str:
        """See Source."""
        return self.uri

    def entries(self) -> Iterator[Entry]:
        """See Source: in the order of the keys' UTF-8 bytes, which is S3's own.

        An object whose name promises nothing is asked for its first bytes. A hidden folder is one
        entry; the empty objects that stand for folders are none.
        """
        folder = self._folder
        hidden = ""
        for listed in self._listed():
            path = listed["Key"][len(folder.key) :]
            if not path or (path.endswith("/") and not listed["Size"]):
                continue
            if (found := _hidden(path)) is None:
                yield self._entry(path, listed)
            elif found != hidden:
                hidden = found
                yield LeftOut(printable(hidden), "hidden", photo=False)

    def read(self, locator: str) -> bytes:
        """See Source; a BrokenOffError where no object can be read: S3 itself, or credentials.

        These may run out after hours, and what was encoded until then must not be lost.
        """
        etag, _, key = locator.partition(" ")
        try:
            return _start(Address(self._folder.bucket, key), etag, MAX_PHOTO_BYTES + 1)
        except DatasetError as error:
            raise BrokenOffError(error.message, hint=error.hint) from error

    @property
    def _folder(self) -> Address:
        address = Address.parse(self.uri)
        if not address.key or address.key.endswith("/"):
            return address
        return Address(address.bucket, address.key + "/")

    def _listed(self) -> Iterator[ObjectTypeDef]:
        folder = self._folder
        previous = b""
        with refusals_told(folder):
            pages = (
                client()
                .get_paginator("list_objects_v2")
                .paginate(
                    Bucket=folder.bucket,
                    Prefix=folder.key,
                    OptionalObjectAttributes=["RestoreStatus"],
                )
            )
            for listed in (entry for page in pages for entry in page.get("Contents", [])):
                key = listed["Key"].encode("utf-8", "surrogatepass")
                if key < previous:
                    raise DatasetError(
                        f"{folder}: keys in no order, expected a general purpose bucket",
                        hint="copy the photos into a folder: `aws s3 sync`",
                    )
                previous = key
                yield listed

    def _entry(self, path: str, listed: ObjectTypeDef) -> Entry:
        promised = PurePosixPath(path).suffix.lower() in PHOTO_EXTENSIONS
        try:
            reason = _cold(listed)
            if not (reason or promised or self._is_photo(listed)):
                reason = "not a photo"
        except (OSError, PhotoError) as error:
            reason = str(error)
        if reason:
            return LeftOut(printable(path), reason, photo=promised)
        if reason := _misplaced(path):
            return LeftOut(printable(path), reason, photo=True)
        etag = _etag(listed)
        return Photo(
            path=path,
            categories=(normalised(path.partition("/")[0]),),
            size=listed["Size"],
            version=f"{etag} {listed['Size']}",
            locator=f"{etag} {listed['Key']}",
        )

    def _is_photo(self, listed: ObjectTypeDef) -> bool:
        if not listed["Size"]:
            return False
        address = Address(self._folder.bucket, listed["Key"])
        return looks_like_photo(_start(address, _etag(listed), _SIGNATURE_BYTES))


def _etag(listed: ObjectTypeDef | GetObjectOutputTypeDef) -> str:
    return listed["ETag"].strip('"')


def _cold(listed: ObjectTypeDef) -> str:
    storage = listed.get("StorageClass", "")
    if storage not in _COLD or "RestoreExpiryDate" in listed.get("RestoreStatus", {}):
        return ""
    return f"in storage class {storage}, must be restored first"


def _hidden(path: str) -> str | None:
    """The path down to its first hidden folder or name; None if there is none."""
    parts = path.split("/")
    for depth, part in enumerate(parts, start=1):
        if part.startswith("."):
            return "/".join(parts[:depth])
    return None


def _misplaced(path: str) -> str:
    if "/" not in path:
        return "lies beside the category folders"
    if "" in path.split("/"):
        return "a folder or file without a name"
    return "" if is_listable(path) else "a name that .lst cannot hold"


def _start(address: Address, etag: str, size: int) -> bytes:
    """The first bytes of an object, all of them if there are no more than `size`.

    Raises:
        OSError: S3 refuses this object.
        PhotoError: it has gone, or changed.
        DatasetError: S3 refuses all objects or cannot be reached, after several attempts.
    """
    for attempt in range(BODY_ATTEMPTS):
        try:
            return _asked_start(address, etag, size)
        except ClientError as error:
            if code_of(error) == "InvalidRange":  # an empty object has no first byte
                return b""
            raise _object_refusal(error, address) from error
        except BotoCoreError as error:
            if attempt == BODY_ATTEMPTS - 1 or not isinstance(error, BROKEN_OFF):
                raise refusal(error, address) from error
    raise AssertionError("the last attempt returns or raises")


def _asked_start(address: Address, etag: str, size: int) -> bytes:
    answer = client().get_object(
        Bucket=address.bucket, Key=address.key, Range=f"bytes=0-{size - 1}", IfMatch=f'"{etag}"'
    )
    with contextlib.closing(answer["Body"]) as body:
        if _etag(answer) != etag:  # not every stand-in for S3 minds If-Match
            raise _changed()
        data = body.read(size)
    expected = min(size, answer["ContentLength"])
    if len(data) < expected:
        raise IncompleteReadError(actual_bytes=len(data), expected_bytes=expected)
    return data


def _object_refusal(error: ClientError, address: Address) -> Exception:
    if code_of(error) == "PreconditionFailed":
        return _changed()
    if code_of(error) == "NoSuchKey":
        return PhotoError("gone since it was listed", hint="run it again")
    told = refusal(error, address)
    return told if is_about_access(error) else OSError(told.message)


def _changed() -> PhotoError:
    return PhotoError("changed since it was listed", hint="run it again")
