"""The nightly job as a Lambda function: new photos in S3 through a batch transform, into a table.

A schedule starts it. Whatever ended a start before its table stood (a timeout, a kill, a transform
that failed), the next start goes on with the same night: everything that it needs to know stands in
S3 below the output's prefix, and each object appears whole.

    nights/<begin>/manifest-<n>.json   what the n-th transform of the night is asked about
    nights/<begin>/predictions.csv     the night's table, written last
    answers/<photo>.out                the model's answer, by which a photo is known to be done
    answers/<photo>.failed             the reason why there is none; delete it to ask again

Only the standard library and boto3 are used: both are there in Lambda.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from batch.night import ANSWERS, Night, new_photos, newest_night
from batch.order import Order
from batch.transform import Transforms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3.client import S3Client

logger = logging.getLogger(__name__)

RESERVED_SECONDS = 60.0
"""What is left of the function's time for ending in good order, when it stops waiting."""

POLL_SECONDS = 5.0
BEGIN = "%Y-%m-%dT%H%MZ"
"""A night's name, by its minute: two starts of the same minute are the same night's."""


def _next_night(s3: S3Client, order: Order, begin: str) -> Night:
    """The night of this minute, or the next one of it where that has its table already."""
    night = Night(s3, order.out, begin)
    for number in itertools.count(2):
        if not night.is_done():
            break
        night = Night(s3, order.out, f"{begin}-{number}")
    return night


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """One start: go on with the night that has no table yet, or begin one if there are new photos.

    Raises:
        BatchError: the transform failed as a whole, or is not at its end when the function's time
            is. Lambda and the schedule start it again then.
    """
    logging.getLogger("batch").setLevel(logging.INFO)
    order = Order.parse(event)
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    night = newest_night(s3, order.out)
    if night is None or night.is_done():
        night = _next_night(s3, order, datetime.now(UTC).strftime(BEGIN))
        photos = new_photos(s3, order.photos, order.out.child(ANSWERS))
        if not photos:
            logger.info("no new photos below s3://%s/%s", order.photos.bucket, order.photos.key)
            return {"photos": 0}
        night.begin(order.photos, photos)
    until = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS
    transforms = Transforms(sagemaker, night, os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    ending = transforms.finish(order, until, poll_seconds=POLL_SECONDS)
    summary = night.write_table(order.columns, ending)
    logger.info("%s", summary)
    return summary
