"""How a photo's bytes become the network's input: one truth for preparation, hosting and tests."""

from photo.decode import FORMATS, STORED_FORMATS, decode_photo, looks_like_photo
from photo.preparation import (
    Preparation,
    Prepared,
    prepare_photo,
    prepare_stored_photo,
    to_array,
)

__all__ = [
    "FORMATS",
    "STORED_FORMATS",
    "Preparation",
    "Prepared",
    "decode_photo",
    "looks_like_photo",
    "prepare_photo",
    "prepare_stored_photo",
    "to_array",
]
