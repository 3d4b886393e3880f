"""Artifacts worked out by hand, which the integration tests have too."""

from colour_artifacts import (
    card_of,
    make_artifact,
    network_of,
    red_photo,
)

__all__ = [
    "card_of",
    "make_artifact",
    "network_of",
    "red_photo",
]
