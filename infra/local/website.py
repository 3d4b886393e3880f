"""S3's static website endpoint: `http://<bucket>.s3-website.localhost:<port>/`, plain HTTP.

Source: Amazon S3 user guide, *Website endpoints*. Index and error documents are served; redirects
and routing rules of a website configuration are refused with 501, never passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from ministack.core import responses
from ministack.services import s3

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = tuple[int, dict[str, str], bytes]

_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
    r"\.s3-website(?:[.-][a-z0-9-]+)?\.localhost(?:\.localstack\.cloud)?(?::\d+)?",
    re.IGNORECASE,
)
_CONDITIONS = (
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
)
_HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Website:
    """A bucket's website configuration.

    Attributes:
        account: the bucket's owner, 12 digits.
        index: appended to a path that ends in a slash.
        error: key of the document for missing paths, if any.
        unsupported: whether the configuration asks for redirects.
    """

    bucket: str
    account: str
    index: str
    error: str | None
    unsupported: bool


def bucket_of(host: str) -> str | None:
    """The bucket that a Host header names, if it is a website endpoint's."""
    match = _HOST.fullmatch(host)
    return match["bucket"].lower() if match else None


def find(bucket: str) -> Website | None:
    """The website configuration of a bucket in whichever account has it."""
    for (account, name), document in s3._bucket_websites._data.items():  # noqa: SLF001
        if name == bucket:
            return _parse(bucket, account, document)
    return None


async def answer(bucket: str, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Serve one request to a website; `path` is decoded and starts with a slash."""
    if method not in ("GET", "HEAD"):
        return _page(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed")
    website = find(bucket)
    if website is None:
        return _page(HTTPStatus.NOT_FOUND, "NoSuchWebsiteConfiguration")
    if website.unsupported:
        return _page(HTTPStatus.NOT_IMPLEMENTED, "redirects of a website configuration")
    conditions = {name: headers[name] for name in _CONDITIONS if name in headers}
    key = path.removeprefix("/")
    if not key or key.endswith("/"):
        key += website.index
    found = await _object(website, key, conditions)
    if found[0] < HTTPStatus.BAD_REQUEST:
        return found
    folder = await _object(website, f"{key}/{website.index}", {})
    if folder[0] == HTTPStatus.OK and not path.endswith("/"):
        return HTTPStatus.FOUND, {"Location": quote(f"{path}/")}, b""
    return await _failure(website, found[0])


async def _failure(website: Website, status: int) -> Answer:
    """The website's error document, or S3's own page where it has none to show."""
    if website.error is not None and status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
        shown, headers, body = await _object(website, website.error, {})
        if shown == HTTPStatus.OK:
            return status, headers, body
    return _page(status, "AccessDenied" if status == HTTPStatus.FORBIDDEN else "NoSuchKey")


async def _object(website: Website, key: str, conditions: dict[str, str]) -> Answer:
    """The object as anyone may read it: a website serves what the bucket's policy makes public."""
    bucket, account = website.bucket, website.account
    if not s3._foreign_bucket_allows(account, bucket, key, "GET", {}, ""):  # noqa: SLF001
        return _page(HTTPStatus.FORBIDDEN, "AccessDenied")
    with responses.request_scope(account, responses.get_region()):
        response: Any = await s3.handle_request(
            "GET", f"/{bucket}/{key}", {"host": "localhost", **conditions}, b"", {}
        )
    status, headers, body = response
    return status, headers, body


def _parse(bucket: str, account: str, document: str) -> Website:
    # The user's own document; the interpreter's expat refuses entity bombs.
    root = ET.fromstring(document)  # noqa: S314
    texts = {e.tag.rpartition("}")[2]: (e.text or "").strip() for e in root.iter()}
    return Website(
        bucket=bucket,
        account=account,
        index=texts.get("Suffix") or "index.html",
        error=texts.get("Key"),
        unsupported="RedirectAllRequestsTo" in texts or "RoutingRules" in texts,
    )


def _page(status: int, code: str) -> Answer:
    title = f"{int(status)} {code}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return int(status), dict(_HTML), body.encode()
