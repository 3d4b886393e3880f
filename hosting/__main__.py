"""The program of the inference image: `serve`, in SageMaker's container layout."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from contracts import SnapshelfError
from hosting.app import create_app
from hosting.environment import Environment
from hosting.metrics import Metrics
from hosting.model import Model
from hosting.service import Service

if TYPE_CHECKING:
    from types import FrameType

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 25
"""Requests under way may end within it; SageMaker kills 30 s after SIGTERM."""


def main() -> int:
    """Serve the model until SIGTERM and answer 0; 1 when the artifact cannot be used."""
    # uvicorn drains on SIGTERM, then raises it once more for whoever handled it before.
    signal.signal(signal.SIGTERM, _end)
    environment = Environment.from_environ(os.environ)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        model = Model.load(
            environment.model_dir, threads=environment.threads, runtime=environment.runtime
        )
    except SnapshelfError as error:
        logger.error("%s (%s)", error.message, error.hint)  # noqa: TRY400 - no bug, no traceback
        return 1
    logger.info(
        "serving model %s: %d classes, by %s", model.version, len(model.classes), model.runtime_name
    )
    uvicorn.run(
        create_app(Service(model, Metrics()), batch=environment.batch),
        host=environment.host,
        port=environment.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
