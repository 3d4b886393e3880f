"""The program of the inference image: `serve`, in SageMaker's container layout."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, NoReturn

from contracts import SnapshelfError
from hosting.environment import METRICS_FOLDER_VARIABLE, Environment
from hosting.memory import give_large_blocks_back
from hosting.model import Model

if TYPE_CHECKING:
    from types import FrameType

logger = logging.getLogger(__name__)


class ListenError(SnapshelfError):
    """The address cannot be listened on."""

    code = "listen"


def main() -> int:
    """Serve the model until SIGTERM and answer 0; 1 when the artifact cannot be used."""
    # uvicorn drains on SIGTERM, then raises it once more for whoever handled it before.
    signal.signal(signal.SIGTERM, _end)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        return run(Environment.from_environ(os.environ))
    except SnapshelfError as error:
        logger.error("%s (%s)", error.message, error.hint)  # noqa: TRY400 - no bug, no traceback
        return 1


def run(environment: Environment) -> int:
    """Serve as the environment says; the exit code.

    Raises:
        ArtifactError: the artifact cannot be used.
        RuntimeChoiceError: the runtime cannot.
        ListenError: the address is another's.
        WorkerError: workers do not start.
    """
    give_large_blocks_back()
    several = environment.workers > 1
    load = functools.partial(
        Model.load,
        environment.model_dir,
        threads=1 if several else environment.threads,
        runtime=environment.runtime,
        forked=several,
    )
    model = load()
    logger.info(
        "serving model %s: %d classes, by %s", model.version, len(model.classes), model.runtime_name
    )
    with listen(environment) as sock, contextlib.ExitStack() as ending:
        if several:
            # The library looks at it once, when it is imported.
            folder = tempfile.TemporaryDirectory(prefix="snapshelf-metrics-")
            os.environ[METRICS_FOLDER_VARIABLE] = ending.enter_context(folder)
            from hosting.workers import Workers

            Workers(environment, model, sock, load).run()
        else:
            from hosting.server import serve

            serve(environment, model, sock, load)
    return 0


def listen(environment: Environment) -> socket.socket:
    """A socket bound to the environment's address.

    Raises:
        ListenError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in environment.host else socket.AF_INET
    try:
        sock = socket.create_server((environment.host, environment.port), family=family)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {environment.host} port {environment.port}: {error.strerror}",
            hint="set SNAPSHELF_HOST and SAGEMAKER_BIND_TO_PORT, or end the program that is there",
        ) from error
    # asyncio sets it only on connections whose socket names its protocol, which this one does not:
    # the second packet of each answer would wait for the client's delayed acknowledgement, 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
