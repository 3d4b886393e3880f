"""How a photo's bytes become the network's input: one truth for preparation, hosting and tests."""

from photo.decode import FORMATS, decode_photo, looks_like_photo
from photo.preparation import Preparation, prepare_photo, to_array

__all__ = [
    "FORMATS",
    "Preparation",
    "decode_photo",
    "looks_like_photo",
    "prepare_photo",
    "to_array",
]
