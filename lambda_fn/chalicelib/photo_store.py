"""Photos that are kept for training: in S3, by category and by what they hold."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from .clients import open_client
from .contracts import ANY_IMAGE, JPEG, PNG, TO_LABEL_FOLDER, WEBP
from .errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from .endpoint import Prediction
    from .photo_request import Photo

logger = logging.getLogger(__name__)

CLIENT_SETTINGS: dict[str, Any] = {
    "connect_timeout": 0.5,
    "read_timeout": 1.25,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
LONGEST_SECONDS = 4.5
"""Two attempts and a second between them: behind the endpoint's, still within the gateway's 29."""

_SUFFIXES = {JPEG: ".jpg", PNG: ".png", WEBP: ".webp"}
_OTHER_SUFFIXES = ((b"GIF8", ".gif"), (b"BM", ".bmp"))


class PhotoStore:
    """A bucket that photos are put into. A photo that comes again is the same object."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, folder: str, photo: Photo, facts: Mapping[str, str]) -> str:
        """Put the photo into `folder`, under the SHA-256 of its bytes; the object's key.

        Args:
            folder: without a slash at its end.
            photo: as it came.
            facts: become the object's metadata, percent-encoded, since S3 takes ASCII only.

        Raises:
            StorageError: S3 does not take it.
        """
        key = f"{folder}/{hashlib.sha256(photo.data).hexdigest()}{suffix(photo)}"
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=photo.data,
                ContentType="image/*" if photo.content_type == ANY_IMAGE else photo.content_type,
                Metadata={name: quote(value, safe=" ") for name, value in facts.items()},
            )
        except (ClientError, BotoCoreError) as error:
            logger.exception("S3 did not take %s", key)
            raise StorageError(
                "the photo could not be kept", hint="try again in a moment"
            ) from error
        return key


def connect(bucket: str) -> PhotoStore:
    """The store in `bucket`, with the region and credentials of the environment."""
    return PhotoStore(open_client("s3", **CLIENT_SETTINGS), bucket)


def capture(store: PhotoStore, photo: Photo, prediction: Prediction, request_id: str) -> None:
    """Keep a photo for labelling; where that fails there is a log line, and the answer is given."""
    facts = {**facts_of(prediction), "request-id": request_id}
    try:
        key = store.keep(TO_LABEL_FOLDER, photo, facts)
    except StorageError:
        return
    logger.info("kept %s for labelling", key)


def facts_of(prediction: Prediction) -> dict[str, str]:
    """What the model said, as an object's metadata."""
    return {
        "predicted": prediction.best,
        "probability": f"{prediction.best_probability:.6f}",
        "model-version": prediction.model_version,
    }


def suffix(photo: Photo) -> str:
    """The file suffix of the photo's kind, by which `snapshelf prepare` finds it."""
    told = next((s for head, s in _OTHER_SUFFIXES if photo.data.startswith(head)), ".avif")
    return _SUFFIXES.get(photo.content_type, told)
