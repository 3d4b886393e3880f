"""S3 as the sources use it: addresses, one client a process, refusals with their mend."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from contracts import DatasetError
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

BROKEN_OFF = (HTTPClientError, IncompleteReadError)
"""A body that ended too early; botocore asks again for an answer, but not for its body."""

BODY_ATTEMPTS = 4

MAX_CONNECTIONS = 32
"""To S3 at the same time, by process: at 20 ms an answer, 1,600 objects a second."""

_ADDRESS = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)
_CONFIG = Config(
    max_pool_connections=MAX_CONNECTIONS,
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 6},
)
_PATH_STYLE = Config(s3={"addressing_style": "path"})
"""What stands in for AWS seldom has a host name for each bucket."""

_NO_CREDENTIALS = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound),
    SSOError,
)
_BAD_CREDENTIALS = frozenset(
    (
        *("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"),
        *("RequestTimeTooSkewed", "TokenRefreshRequired"),
    )
)
_WRONG_REGION = frozenset(
    ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
)
_CREDENTIALS_HINT = (
    "`aws configure`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, and a key or a prefix of keys in it, which may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read `s3://bucket/key`.

        Raises:
            DatasetError: another scheme, or no bucket.
        """
        match = _ADDRESS.fullmatch(uri)
        if match is None:
            raise DatasetError(
                f"{visible(uri)}: expected s3://bucket/key", hint="`aws s3 ls` lists the buckets"
            )
        return cls(*match.groups())

    def __str__(self) -> str:
        return visible(f"s3://{self.bucket}/{self.key}")


def client() -> S3Client:
    """This process's own client: connections cannot be shared with a forked process.

    boto3 finds credentials, region and AWS_ENDPOINT_URL itself.

    Raises:
        BotoCoreError: the configuration names a profile that is not there.
        DatasetError: AWS_ENDPOINT_URL is no address.
    """
    return _client_of(os.getpid())


@functools.lru_cache(maxsize=1)
def _client_of(_process: int) -> S3Client:
    session = boto3.Session()  # the default one is not safe in threads
    try:
        made: S3Client = session.client("s3", config=_CONFIG)
        if "amazonaws.com" not in made.meta.endpoint_url:
            made = session.client("s3", config=_CONFIG.merge(_PATH_STYLE))
    except ValueError as error:
        raise DatasetError(
            f"S3 cannot be asked: {error}", hint="set AWS_ENDPOINT_URL to http://host:port"
        ) from error
    return made


@contextlib.contextmanager
def refusals_told(address: Address) -> Iterator[None]:
    """Whatever S3 or the way to it refuses leaves the block as a DatasetError."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise refusal(error, address) from error


def code_of(error: ClientError) -> str:
    """S3's error code, such as `NoSuchKey`; where an answer has no body, its HTTP status."""
    return error.response.get("Error", {}).get("Code", "")


def status_of(error: ClientError) -> int:
    """The HTTP status; 0 where there is none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_about_access(error: ClientError) -> bool:
    """Whether all objects are concerned: credentials, region, bucket, or S3 itself in trouble."""
    return (
        code_of(error) in _BAD_CREDENTIALS | _WRONG_REGION | {"NoSuchBucket"}
        or status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status_of(error) == HTTPStatus.TOO_MANY_REQUESTS
    )


def refusal(error: ClientError | BotoCoreError, address: Address) -> DatasetError:
    """The error in words, with what mends it."""
    if isinstance(error, ClientError):
        reason = error.response.get("Error", {}).get("Message") or code_of(error)
        return DatasetError(f"{address}: {visible(reason)}", hint=_hint(error, address))
    if isinstance(error, _NO_CREDENTIALS):
        return DatasetError(f"{address}: {error}", hint=_CREDENTIALS_HINT)
    if isinstance(error, ParamValidationError):
        return DatasetError(
            f"{address}: not a bucket's name or an object's key", hint="expected s3://bucket/key"
        )
    return DatasetError(
        f"{address}: {visible(error)}",
        hint="check the connection, the region (AWS_REGION) and, if set, AWS_ENDPOINT_URL",
    )


def _hint(error: ClientError, address: Address) -> str:
    code, status = code_of(error), status_of(error)
    if code in _BAD_CREDENTIALS:
        return _CREDENTIALS_HINT
    if code in _WRONG_REGION:
        return "set AWS_REGION to the bucket's region: `aws s3api get-bucket-location` tells it"
    if code == "InvalidObjectState":
        return "`aws s3api restore-object` brings it back from the archive, which takes hours"
    if status == HTTPStatus.NOT_FOUND:
        return f"`aws s3 ls s3://{address.bucket}` shows what is there; is AWS_ENDPOINT_URL right?"
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"the credentials need s3:ListBucket on {address.bucket} and s3:GetObject on its"
            " objects: `aws sts get-caller-identity` tells whose they are"
        )
    return "check the region (AWS_REGION) and, if set, AWS_ENDPOINT_URL; else try again later"
