"""The program of the training image: `train` or `convert`, in SageMaker's container layout."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

from contracts import SnapshelfError
from training.environment import Environment

if TYPE_CHECKING:
    from types import FrameType

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the job; 0 when an artifact stands in the model folder, 1 with a failure file if not.

    SageMaker's argument is `train`. With `convert` a former artifact in the channel `model` is made
    one that hosting loads (`training.conversion`).
    """
    environment = Environment.from_environ(os.environ)
    # MXNet reads it while it is imported, and without it runs on one thread.
    os.environ["OMP_NUM_THREADS"] = str(environment.threads)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s"
    )
    stopped = _on_sigterm()
    try:
        # By an attempt before this one, if its folder is used again.
        environment.failure_file.unlink(missing_ok=True)
        if sys.argv[1:] == ["convert"]:
            from training.conversion import convert

            convert(environment)
        else:
            from training.job import train

            train(environment, stopped)
    except Exception as error:  # noqa: BLE001 - whatever it is, SageMaker is told through the file
        _write_failure(environment, error)
        return 1
    return 0


def _on_sigterm() -> _Stopped:
    """SageMaker's stop: the batch under way is finished, the best model so far is kept."""
    stopped = _Stopped()
    signal.signal(signal.SIGTERM, stopped.note)
    return stopped


class _Stopped:
    def __init__(self) -> None:
        self._noted = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self._noted = True

    def __call__(self) -> bool:
        return self._noted


def _write_failure(environment: Environment, error: Exception) -> None:
    if isinstance(error, SnapshelfError):
        text = f"{error.message} ({error.hint})" if error.hint else error.message
        logger.error(text)
    else:
        text = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    environment.failure_file.parent.mkdir(parents=True, exist_ok=True)
    environment.failure_file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
