"""What `snapshelf prepare` left beside the records, or what holds where it did not."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from contracts import CROP, DATASET_FILE, PHOTO_FIT, TrainingError
from photo import Preparation

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

IMAGENET_MEAN = (123.68, 116.779, 103.939)
IMAGENET_STD = (58.393, 57.12, 57.375)
"""RGB statistics for records that came without a dataset.json; 0..255 scale."""

PREPARE_ANEW = "prepare the photos again: `snapshelf prepare PHOTOS --out RECORDS`"


def read_dataset(
    folder: Path | None, size: int, *, resize: int | None = None
) -> tuple[tuple[str, ...], Preparation]:
    """Class names and preparation that `snapshelf prepare` left beside the records, if it did.

    Args:
        folder: of the channel; None where it comes through a pipe.
        size: the side, in pixels, of the pictures that the network will be served.
        resize: the built-in algorithm's hyperparameter: the shorter side's pixels before it cuts
            `size` out. It asks to keep a photo's proportions and lose its ends; so without a
            dataset.json the photos are cut to their middle square ("crop"), in training and at
            the endpoint alike, where the built-in algorithm squashes at the endpoint. The margin
            that it leaves for random crops is the augmentation's business here.

    Returns:
        Class names in label order (empty where unknown), and how a photo is to be prepared.

    Raises:
        TrainingError: the records hold pictures of another size, dataset.json is damaged, or
            `resize` is smaller than `size`.
        ArtifactError: dataset.json does not say how the photos were prepared.
    """
    if resize is not None and resize < size:
        raise TrainingError(
            f"hyperparameter resize={resize}, expected at least the {size} pixels of image_shape"
        )
    path = folder / DATASET_FILE if folder else None
    if path is None or not path.exists():
        fit = CROP if resize else PHOTO_FIT
        return (), Preparation(size, fit, IMAGENET_MEAN, IMAGENET_STD)
    try:
        document = json.loads(path.read_text())
        classes = tuple(str(name) for name in document["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path.name}: {error!r}, expected classes", hint=PREPARE_ANEW
        ) from error
    preparation = Preparation.from_dict(document)
    if preparation.size != size:
        raise TrainingError(
            f"hyperparameter image_shape asks for {size} pixels: the records hold pictures of "
            f"{preparation.size}",
            hint=f"image_shape=3,{preparation.size},{preparation.size}, or prepare the photos anew",
        )
    if resize:
        logger.warning(
            "resize=%d has no effect: the records were prepared by fit %s", resize, preparation.fit
        )
    return classes, preparation


def read_data(folder: Path) -> dict[str, Any] | None:
    """What a model card says of the photos that a network was trained on; None where nobody knows.

    Returns:
        `fingerprint`, dataset.json's own, and `seed` and `train_ratio`, which the split depends on.
    """
    path = folder / DATASET_FILE
    document = json.loads(path.read_text()) if path.exists() else {}
    if "fingerprint" not in document:
        return None
    told = ("fingerprint", "seed", "train_ratio")
    return {name: document[name] for name in told if name in document}


def read_tree(folder: Path) -> dict[str, list[str]] | None:
    """Each class's levels in the tree of categories, from the top down; None where it is flat."""
    path = folder / DATASET_FILE
    document = json.loads(path.read_text()) if path.exists() else {}
    return document.get("tree") or None
