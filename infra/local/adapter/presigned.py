"""Presigned S3 addresses: for how long they hold, and who may have signed them.

Mends: addresses of signature version 2, boto3's default, which never expire; lifetimes that are no
number of seconds up to a week; addresses that a Lambda function has signed, whose session token
MiniStack does not know. Source: Amazon S3 API reference, *Authenticating Requests: Using Query
Parameters*, and *Signing and Authenticating REST Requests* for version 2.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import s3

LONGEST_SECONDS = 604_800
"""A week."""

Query = dict[str, list[str]]

_stock_verify = s3._verify_presigned_sigv4  # noqa: SLF001
_stock_resolve = s3.resolve_credential


def install() -> None:
    """Look at every presigned address before MiniStack checks its signature."""
    s3._verify_presigned_sigv4 = verify  # noqa: SLF001
    s3.resolve_credential = resolve_credential


def verify(method: str, path: str, headers: dict[str, str], query: Query) -> Any | None:
    """The refusal of a presigned request; None for one that holds, and for any other request."""
    refusal = lifetime_error(query, path) or _version_2_error(query, path)
    return refusal or _stock_verify(method, path, headers, query)


def resolve_credential(key: str, account: str, token: str) -> Any:
    """The credential of an access key; a token beside the account's own key is not looked at."""
    known = "" if iam_evaluator.is_root_access_key(key) else token
    return _stock_resolve(key, account, known)


def lifetime_error(query: Query, path: str) -> Any | None:
    """The answer to an X-Amz-Expires that is none; None where it is, or where there is none."""
    given = query.get("X-Amz-Expires", [""])[0]
    if not given:
        return None
    if not given.lstrip("-").isdigit():
        message = "X-Amz-Expires should be a number"
    elif int(given) < 0:
        message = "X-Amz-Expires must be non-negative"
    elif int(given) > LONGEST_SECONDS:
        message = (
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {LONGEST_SECONDS} seconds"
        )
    else:
        return None
    return s3._error("AuthorizationQueryParametersError", message, 400, path)  # noqa: SLF001


def _version_2_error(query: Query, path: str) -> Any | None:
    """The answer to an address of version 2 whose time is over; its signature is not checked."""
    until = query.get("Expires", [""])[0]
    if not ("AWSAccessKeyId" in query and "Signature" in query and until):
        return None
    if not until.isdigit():
        message = "Invalid date (should be seconds since epoch): " + until
        return s3._error("AccessDenied", message, 403, path)  # noqa: SLF001
    if int(until) < time.time():
        return s3._error("AccessDenied", "Request has expired", 403, path)  # noqa: SLF001
    return None
