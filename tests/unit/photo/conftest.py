"""Real photos, where they are at hand."""

from photo_folders import shared_data

__all__ = ["shared_data"]
