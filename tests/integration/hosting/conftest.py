"""Artifacts worked out by hand, which the unit tests have too."""

from colour_artifacts import (
    make_artifact,
    red_photo,
)

__all__ = [
    "make_artifact",
    "red_photo",
]
