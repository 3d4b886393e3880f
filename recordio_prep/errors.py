"""The error of this room that other stages need not know."""

from __future__ import annotations

from contracts import SnapshelfError


class BrokenOffError(SnapshelfError):
    """Something on the way failed (the storage, the engine), not the photos or the settings.

    What was reached is kept, and the same call goes on from there: unlike a DatasetError, it does
    not end the preparation.
    """

    code = "broken_off"
