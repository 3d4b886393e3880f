"""One night's photos, answers and table, as they stand in S3."""

from __future__ import annotations

import io
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from batch.outcomes import Outcome
from batch.photos import is_photo
from batch.table import write_rows
from contracts import NO_VERDICT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client

    from batch.order import Place
    from batch.transform import Ending

ANSWERS = "answers/"
NIGHTS = "nights/"
TABLE = "predictions.csv"
ANSWERED, FAILED = ".out", ".failed"
"""What stands behind a photo's name: the first is batch transform's own."""

_READERS = 16
_AHEAD = 1000


def newest_night(s3: S3Client, out: Place) -> Night | None:
    """The night that began last; only that one can be without its table."""
    nights = out.child(NIGHTS)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=nights.bucket, Prefix=nights.key, Delimiter="/"
    )
    names = [
        each["Prefix"].removeprefix(nights.key).rstrip("/")
        for page in pages
        for each in page.get("CommonPrefixes", [])
    ]
    return Night(s3, out, max(names)) if names else None


def new_photos(s3: S3Client, photos: Place, answers: Place) -> list[str]:
    """Photos, by name, that have neither an answer nor a reason, or are younger than it."""
    done: dict[str, datetime] = {}
    for name, changed in _objects(s3, answers):
        for mark in (ANSWERED, FAILED):
            if name.endswith(mark):
                done[name.removesuffix(mark)] = changed
    return [
        name
        for name, changed in _objects(s3, photos)
        if is_photo(name) and (name not in done or changed > done[name])
    ]


def _objects(s3: S3Client, place: Place) -> Iterator[tuple[str, datetime]]:
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=place.bucket, Prefix=place.key):
        for item in page.get("Contents", []):
            yield item["Key"].removeprefix(place.key), item["LastModified"]


class Night:
    """What one night is about, from its first manifest to its table."""

    def __init__(self, s3: S3Client, out: Place, name: str) -> None:
        self._s3, self.name = s3, name
        self._folder = out.child(f"{NIGHTS}{name}/")
        self.answers = out.child(ANSWERS)

    def begin(self, photos: Place, names: Sequence[str]) -> None:
        """Write down what the night is about; another start of the same minute was first, or is us.

        Args:
            photos: where they are.
            names: below it.
        """
        self._put_manifest(1, str(photos), names)

    def is_done(self) -> bool:
        """Whether the table stands."""
        return self._exists(self._folder.child(TABLE))

    def manifest(self, number: int) -> Place | None:
        """The manifest of the n-th transform, from 1; None where there is none yet."""
        place = self._folder.child(f"manifest-{number}.json")
        return place if self._exists(place) else None

    def begin_again(self, number: int) -> Place:
        """The manifest of a further transform: what the ones before have not answered."""
        if (standing := self.manifest(number)) is not None:
            return standing
        photos, names = self._photos()
        done = self._answered()
        return self._put_manifest(number, photos, [name for name in names if name not in done])

    def has_answers(self) -> bool:
        """Whether any photo of the night is answered."""
        _, names = self._photos()
        done = self._answered()
        return any(name in done for name in names)

    def write_table(self, columns: Sequence[str], ending: Ending) -> dict[str, Any]:
        """Put the night's answers together; what has none is told with its reason, and marked so.

        Returns:
            How many photos there are, are answered and failed, and where the table is.
        """
        _, names = self._photos()
        done = self._answered()
        place = self._folder.child(TABLE)
        failed = ending.reasons([name for name in names if name not in done])
        for name, reason in failed.items():
            key = self.answers.child(f"{name}{FAILED}").key
            self._s3.put_object(Bucket=self.answers.bucket, Key=key, Body=reason.encode())
        with tempfile.TemporaryFile() as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            write_rows(text, self._outcomes(names, failed), columns)
            text.detach()  # flushed, and the file left open
            file.seek(0)
            self._s3.upload_fileobj(file, place.bucket, place.key)
        counts = {"photos": len(names), "answered": len(names) - len(failed), "failed": len(failed)}
        return {"night": self.name, **counts, "table": str(place)}

    def _outcomes(
        self, names: Sequence[str], failed: Mapping[str, str]
    ) -> Iterator[tuple[str, Outcome]]:
        def read(name: str) -> tuple[str, Outcome]:
            if name in failed:
                return name, Outcome(error=failed[name], code="transform")
            key = self.answers.child(f"{name}{ANSWERED}").key
            body = self._s3.get_object(Bucket=self.answers.bucket, Key=key)["Body"].read()
            return name, read_answer(json.loads(body))

        with ThreadPoolExecutor(_READERS) as pool:
            for first in range(0, len(names), _AHEAD):
                yield from pool.map(read, names[first : first + _AHEAD])

    def _photos(self) -> tuple[str, list[str]]:
        """Where the night's photos are, and their names."""
        place = self._folder.child("manifest-1.json")
        answer = self._s3.get_object(Bucket=place.bucket, Key=place.key)
        first, *names = json.loads(answer["Body"].read())
        return first["prefix"], names

    def _answered(self) -> set[str]:
        began = self._s3.head_object(
            Bucket=self._folder.bucket, Key=self._folder.child("manifest-1.json").key
        )["LastModified"]
        return {
            name.removesuffix(ANSWERED)
            for name, changed in _objects(self._s3, self.answers)
            if name.endswith(ANSWERED) and changed >= began
        }

    def _put_manifest(self, number: int, photos: str, names: Iterable[str]) -> Place:
        """Write a manifest unless one stands: the first start that comes this far decides."""
        place = self._folder.child(f"manifest-{number}.json")
        body = json.dumps([{"prefix": photos}, *names]).encode()
        try:
            self._s3.put_object(Bucket=place.bucket, Key=place.key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
        return place

    def _exists(self, place: Place) -> bool:
        try:
            self._s3.head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True


def read_answer(document: dict[str, Any]) -> Outcome:
    """The endpoint's verbose answer (docs/architecture.md, *Endpoint*) as a photo's row."""
    probabilities, labels = document["probabilities"], document["labels"]
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    confidence = float(probabilities[best])
    sure = confidence >= float(document["threshold"])
    verdict = document.get("verdict") or (labels[best] if sure else NO_VERDICT)
    return Outcome(best, str(labels[best]), confidence, str(verdict))
