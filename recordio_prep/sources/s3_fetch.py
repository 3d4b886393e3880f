"""One object of S3 becomes a local file: whole or not at all, and once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from tqdm import tqdm

from contracts import DatasetError
from recordio_prep.files import staging, write_atomically
from recordio_prep.sources.s3_access import (
    BODY_ATTEMPTS,
    BROKEN_OFF,
    Address,
    client,
    code_of,
    refusal,
    refusals_told,
)
from recordio_prep.sources.source import is_listable
from recordio_prep.sources.visible_text import visible

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_CHUNK = 1 << 20
_STAMP_FILE = ".fetched.json"
_PARTIAL = ".{version}.partial"


@dataclass(frozen=True, slots=True)
class _Object:
    """An object as S3 holds it at this moment."""

    address: Address
    etag: str
    size: int

    @property
    def version(self) -> str:
        """Differs where the bytes may; fits into a file's name."""
        return hashlib.sha256(self.stamp.encode()).hexdigest()[:32]

    @property
    def stamp(self) -> str:
        """What tells whether a file is of this object."""
        return json.dumps([str(self.address), self.etag, self.size]) + "\n"


def fetch(uri: str, into: Path) -> Path:
    """Download `s3://bucket/key` into the folder `into`, under the last part of its key.

    A file of the same object and ETag is kept; a download that broke off goes on where it was, if
    the object is still the same.

    Args:
        uri: The object.
        into: A folder for this object alone, made if absent.

    Raises:
        DatasetError: no such object, S3 refuses or cannot be reached, or there is no space.
    """
    address = Address.parse(uri)
    file = into / _file_name(address)
    with refusals_told(address):
        head = client().head_object(Bucket=address.bucket, Key=address.key)
    wanted = _Object(address, head["ETag"].strip('"'), head["ContentLength"])
    with staging(into):  # for its lock: a partial file must have one writer
        if not _kept(file, wanted):
            _download(wanted, file)
    return file


def _file_name(address: Address) -> str:
    name = address.key.rpartition("/")[2]
    if not name or name.startswith(".") or not name.isprintable() or not is_listable(name):
        raise DatasetError(
            f"{address}: expected the key of one object, its last part a file's name",
            hint=f"`aws s3 ls {address}` shows what is there",
        )
    return name


def _kept(file: Path, wanted: _Object) -> bool:
    stamp = file.with_name(_STAMP_FILE)
    if not file.exists():
        return False
    if not stamp.exists():
        raise DatasetError(
            f"{file} is there already, and was not fetched from S3", hint="give another folder"
        )
    same = stamp.read_text(encoding="utf-8") == wanted.stamp
    return same and file.stat().st_size == wanted.size


def _download(wanted: _Object, file: Path) -> None:
    partial = file.with_name(_PARTIAL.format(version=wanted.version))
    for stale in set(file.parent.glob(_PARTIAL.format(version="*"))) - {partial}:
        stale.unlink()
    with partial.open("ab") as output:
        _check_space(wanted, file.parent, output.tell())
        _fill(wanted, output)
        output.flush()
        os.fsync(output.fileno())
    file.unlink(missing_ok=True)  # before the stamp says that it is the new one
    write_atomically(file.with_name(_STAMP_FILE), wanted.stamp)
    partial.replace(file)


def _check_space(wanted: _Object, folder: Path, have: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted.size - have > free:
        raise DatasetError(
            f"{wanted.address}: {wanted.size:,} bytes, and {free:,} are free in {folder}",
            hint="free some space, or give another folder",
        )


def _fill(wanted: _Object, output: BinaryIO) -> None:
    """Append what the file lacks, from where it is after each interruption."""
    failures = 0
    with tqdm(
        total=wanted.size,
        initial=output.tell(),
        desc=f"Fetching {visible(wanted.address.key.rpartition('/')[2])}",
        unit="B",
        unit_scale=True,
        disable=None,
    ) as bar:
        while (have := output.tell()) < wanted.size:
            try:
                _append(wanted, output, bar)
            except ClientError as error:
                raise _fetch_refusal(error, wanted.address) from error
            except BotoCoreError as error:
                failures = 0 if output.tell() > have else failures + 1
                if failures == BODY_ATTEMPTS or not isinstance(error, BROKEN_OFF):
                    raise refusal(error, wanted.address) from error


def _append(wanted: _Object, output: BinaryIO, bar: tqdm) -> None:
    have = output.tell()
    answer = client().get_object(
        Bucket=wanted.address.bucket,
        Key=wanted.address.key,
        Range=f"bytes={have}-",
        IfMatch=f'"{wanted.etag}"',
    )
    with contextlib.closing(answer["Body"]) as body:
        if answer["ETag"].strip('"') != wanted.etag:  # not every stand-in for S3 minds If-Match
            raise _changed(wanted.address)
        if not answer.get("ContentRange", "").startswith(f"bytes {have}-"):  # nor Range
            output.truncate(0)
            output.seek(0)
            bar.reset()
        for chunk in body.iter_chunks(_CHUNK):
            output.write(chunk)
            bar.update(len(chunk))


def _fetch_refusal(error: ClientError, address: Address) -> DatasetError:
    return _changed(address) if code_of(error) == "PreconditionFailed" else refusal(error, address)


def _changed(address: Address) -> DatasetError:
    return DatasetError(f"{address}: changed while it was fetched", hint="run it again")
