"""Weights from an https address into a folder, once."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from contracts import TrainingError
from training.pretrained.weights_file import MAX_FILE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds without a byte."""

LONGEST = 3600.0
"""Seconds for the whole file."""

_CHUNK = 1 << 20
_SUM = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_LONGEST_NAME = 80
_HASH_DIGITS: Final = 16


def shown(address: str) -> str:
    """The address without what may be secret in it: user, query and fragment."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def download(address: str, folder: Path) -> Path:
    """Fetch the file at an https address, unless the folder holds it already.

    Args:
        address: `https://host/path`, with `#sha256=<64 hexadecimal digits>` where it is to be
            checked; that is also done for a file from the folder.
        folder: is made if missing; the file appears in it whole or not at all.

    Raises:
        TrainingError: the address is no https or leads to none, there is no file of up to 1 GiB,
            it broke off or took over an hour, or its checksum is another.
    """
    parts = _checked(address)
    wanted = _checksum(parts.fragment, address)
    folder.mkdir(parents=True, exist_ok=True)
    plain = _NOT_PLAIN.sub("_", unquote(parts.path.rpartition("/")[2]))[-_LONGEST_NAME:]
    key = hashlib.sha256(parts._replace(fragment="").geturl().encode()).hexdigest()
    path = folder / f"{key[:_HASH_DIGITS]}-{plain or 'weights'}"
    if path.exists():
        _check_sum(path, wanted, address)
        logger.info("using %s for %s", path.name, shown(address))
        return path
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _fetch(parts._replace(fragment="").geturl(), partial)
        _check_sum(partial, wanted, address)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _checked(address: str) -> Any:
    try:
        parts = urlsplit(address)
        usable = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError as error:
        raise TrainingError(f"{address.partition('?')[0]}: no address ({error})") from error
    if not usable:
        raise TrainingError(f"{shown(address)}: expected an address that begins with https://")
    if parts.username or parts.password:
        raise TrainingError(f"{shown(address)}: a user or password in an address is not used")
    return parts


def _checksum(fragment: str, address: str) -> str | None:
    if not fragment:
        return None
    match = _SUM.fullmatch(fragment)
    if not match:
        raise TrainingError(
            f"{shown(address)}: after # stands {fragment[:80]!r}, expected sha256= and 64 digits"
        )
    return match[1].lower()


def _check_sum(path: Path, wanted: str | None, address: str) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if wanted and found != wanted:
        raise TrainingError(
            f"{shown(address)}: SHA-256 is {found}, expected {wanted}",
            hint=f"where the address is right, remove {path.name} and try again",
        )


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """A redirect to http, or to a file of this machine, is none."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != "https":
            fp.close()
            raise TrainingError(
                f"{shown(req.full_url)} leads to {shown(newurl)}, which is no https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(address: str, path: Path) -> None:
    opener = urllib.request.build_opener(
        _OnlyHttps(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    request = urllib.request.Request(address, headers={"User-Agent": "snapshelf"})  # noqa: S310 - https
    try:
        with opener.open(request, timeout=TIMEOUT) as answer, path.open("wb") as stream:
            _copy(answer, stream, address)
    except (http.client.HTTPException, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the answer too
        raise TrainingError(
            f"{shown(address)} could not be fetched ({error})",
            hint="try again, or download it yourself and give the file",
        ) from error


def _copy(answer: Any, stream: IO[bytes], address: str) -> None:
    said = answer.headers.get("Content-Length", "")
    expected = int(said) if said.isascii() and said.isdigit() else None
    _check_size(expected or 0, address)
    started, received = time.monotonic(), 0
    while chunk := answer.read1(_CHUNK):
        received += len(chunk)
        _check_size(received, address)
        if time.monotonic() - started > LONGEST:
            raise TrainingError(f"{shown(address)}: not there after {LONGEST:.0f} seconds")
        stream.write(chunk)
    if expected is not None and received != expected:
        raise TrainingError(
            f"{shown(address)}: {received:,} bytes came, {expected:,} were announced",
            hint="try again",
        )


def _check_size(size: int, address: str) -> None:
    if size > MAX_FILE_BYTES:
        raise TrainingError(f"{shown(address)}: {size:,} bytes, more than {MAX_FILE_BYTES:,}")
