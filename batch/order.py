"""What a schedule asks of the nightly function, and the places in S3 that it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch.errors import BatchError
from batch.photos import parse_s3

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix in a bucket; it is empty or ends in a slash."""

    bucket: str
    key: str

    def child(self, name: str) -> Place:
        """A place, or an object, below it."""
        return Place(self.bucket, f"{self.key}{name}")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Order:
    """What the schedule asks for, as its `Input` says it.

    Attributes:
        photos: `s3://bucket/prefix` of the photos.
        out: `s3://bucket/prefix` of what is written.
        endpoint: whose model is asked, tonight's whichever it is.
        columns: further columns of the table.
        instance_type: what the transform runs on.
    """

    photos: Place
    out: Place
    endpoint: str
    columns: tuple[str, ...] = ()
    instance_type: str = "ml.m5.large"

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Order:
        """Read the event.

        Raises:
            BatchError: a member lacks, or is no address.
        """
        try:
            return cls(
                Place(*parse_s3(event["photos"])),
                Place(*parse_s3(event["out"])),
                str(event["endpoint"]),
                tuple(event.get("columns", ())),
                str(event.get("instance_type", "ml.m5.large")),
            )
        except KeyError as error:
            raise BatchError(
                f"the event has no member {error}: expected photos, out and endpoint",
                hint="make the schedule again: `snapshelf batch schedule --as eventbridge`",
            ) from error
