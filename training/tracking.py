"""Figures of every epoch for TensorBoard or MLflow, written by their own libraries."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Protocol

from contracts import TrainingError
from training.stopping import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
"""How a job ends, in MLflow's words (`mlflow.entities.RunStatus`)."""


class Tracker(Protocol):
    """Is told what happens in a training."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch has ended."""

    def close(self, ending: str) -> None:
        """The job has: FINISHED, FAILED or KILLED."""


@contextlib.contextmanager
def tracked(
    settings: Hyperparameters, folder: Path, job_name: str, should_stop: Callable[[], bool]
) -> Iterator[Tracker | None]:
    """The tracker that `tracking` names, or None; at the block's end it is told how that came.

    Args:
        settings: of the job; MLflow is told all of them.
        folder: of the job's output: where event files, or MLflow's runs, are put.
        job_name: names the run; may be empty.
        should_stop: whether the job was told to end, which counts though it leaves a model.

    Raises:
        TrainingError: the library is not installed.
    """
    tracker = _opened(settings, folder, job_name)
    if tracker is None:
        yield None
        return
    ending = FAILED
    try:
        yield tracker
        ending = KILLED if should_stop() else FINISHED
    except (StoppedError, KeyboardInterrupt):
        ending = KILLED
        raise
    finally:
        tracker.close(ending)


def _opened(settings: Hyperparameters, folder: Path, job_name: str) -> Tracker | None:
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

    def close(self, ending: str) -> None:  # noqa: ARG002 - event files have no word for it
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

    def close(self, ending: str) -> None:
        """The run has ended."""
        self._mlflow.end_run(ending)


def _figures(epoch: Epoch) -> dict[str, float]:
    figures = {tag: getattr(epoch, name) for tag, name in _FIGURES.items()}
    return {tag: float(value) for tag, value in figures.items() if value is not None}
