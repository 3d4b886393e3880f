"""How a batch job can fail as a whole; what is wrong with one photo stands in its row instead."""

from __future__ import annotations

from contracts import SnapshelfError


class BatchError(SnapshelfError):
    """The photos, the table, the API or the schedule cannot be used; what was answered is kept."""

    code = "batch"
