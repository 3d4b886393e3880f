"""Figures of every epoch for TensorBoard or MLflow, written by their own libraries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from contracts import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from training.history import Epoch
    from training.hyperparameters import Hyperparameters

_FIGURES = {
    "train/accuracy": "train_accuracy",
    "train/loss": "train_loss",
    "validation/accuracy": "validation_accuracy",
    "validation/loss": "validation_loss",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}


class Tracker(Protocol):
    """Is told what happens in a training."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch has ended."""

    def close(self) -> None:
        """The training has."""


def open_tracker(settings: Hyperparameters, folder: Path, job_name: str) -> Tracker | None:
    """The tracker that `tracking` names, or None.

    Args:
        settings: of the job; MLflow is told all of them.
        folder: of the job's output: where event files, or MLflow's runs, are put.
        job_name: names the run; may be empty.

    Raises:
        TrainingError: the library is not installed.
    """
    try:
        if settings.tracking == "tensorboard":
            return TensorBoard(folder / "tensorboard")
        if settings.tracking == "mlflow":
            return MLflow(settings, folder / "mlflow", job_name)
    except ImportError as error:
        raise TrainingError(
            f"hyperparameter tracking={settings.tracking!r}: {error.name} is not installed",
            hint=f"pip install 'snapshelf[{settings.tracking}]'",
        ) from error
    return None


class TensorBoard:
    """Event files for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder))

    def epoch(self, epoch: Epoch) -> None:
        """One point on each curve."""
        values = [
            self._summary.Value(tag=tag, simple_value=value)
            for tag, value in _figures(epoch).items()
        ]
        self._writer.add_event(
            self._event(
                step=epoch.number, wall_time=time.time(), summary=self._summary(value=values)
            )
        )
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class MLflow:
    """A run of MLflow: at MLFLOW_TRACKING_URI where that is set, else in files."""

    def __init__(self, settings: Hyperparameters, folder: Path, job_name: str) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        if not mlflow.environment_variables.MLFLOW_TRACKING_URI.get():
            # A database would need SQLAlchemy, which mlflow-skinny comes without; MLflow 3.17 asks
            # for this word before it writes files.
            mlflow.environment_variables.MLFLOW_ALLOW_FILE_STORE.set(value=True)
            mlflow.set_tracking_uri(folder.resolve().as_uri())
        mlflow.start_run(run_name=job_name or None)
        mlflow.log_params(settings.document())

    def epoch(self, epoch: Epoch) -> None:
        """One point on each curve."""
        self._mlflow.log_metrics(_figures(epoch), step=epoch.number)

    def close(self) -> None:
        """The run has ended."""
        self._mlflow.end_run()


def _figures(epoch: Epoch) -> dict[str, float]:
    figures = {tag: getattr(epoch, name) for tag, name in _FIGURES.items()}
    return {tag: float(value) for tag, value in figures.items() if value is not None}
