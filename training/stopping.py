"""A job that is told to end (SIGTERM; SageMaker kills 120 s later) before it has a model."""

from __future__ import annotations

from contracts import TrainingError


class StoppedError(TrainingError):
    """The job was told to end while there was nothing to keep."""
