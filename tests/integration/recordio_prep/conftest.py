"""Folders of photos, which the unit tests have too."""

from photo_folders import (
    make_photos,
    two_classes,
)

__all__ = [
    "make_photos",
    "two_classes",
]
