"""Folders of photos, which the integration tests have too."""

from photo_folders import (
    make_photos,
    shared_data,
    two_classes,
)

__all__ = [
    "make_photos",
    "shared_data",
    "two_classes",
]
