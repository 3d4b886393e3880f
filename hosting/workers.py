"""Several processes that serve one model, forked from the one that loaded it to share its weights.

What a process has loaded its children share until they write to it. The parent serves nothing: it
starts workers, replaces those that die, and on a new artifact starts another generation of them
before the one before retires.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import select
import signal
import time
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from prometheus_client.multiprocess import mark_process_dead

from contracts import SnapshelfError
from hosting.app import create_app
from hosting.metrics import Metrics
from hosting.reloading import REFUSED, REPLACED, Watch
from hosting.server import DRAIN_SECONDS, Server
from hosting.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from starlette.applications import Starlette

    from hosting.environment import Environment
    from hosting.model import Model

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""A worker has answered a first picture by then, or never will."""

_RETIRE = signal.SIGUSR1
_ENDS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_ENDS, signal.SIGHUP, signal.SIGCHLD)
_POLL = 0.05


class WorkerError(SnapshelfError):
    """A worker could not be started."""

    code = "worker"


class Workers:
    """The processes that serve.

    Args:
        environment: how many, and where the model lies.
        model: loaded, with one thread: threads of a runtime's own would not be in a fork.
        sock: bound; all accept from it, and its queue outlives each of them.
        load: reads the model's folder again.
    """

    def __init__(
        self,
        environment: Environment,
        model: Model,
        sock: socket.socket,
        load: Callable[[], Model],
    ) -> None:
        self._environment, self._model, self._sock, self._load = environment, model, sock, load
        self._metrics = Metrics()
        self._serving: set[int] = set()
        self._retired: set[int] = set()
        self._signals = os.pipe()
        self._lifeline = os.pipe()  # its end, when this process has ended, ends the workers

    def run(self) -> None:
        """Serve until SIGTERM.

        Raises:
            WorkerError: workers do not start.
        """
        watch = Watch(self._environment.model_dir)
        self._listen_to_signals()
        try:
            self._serving = self._start(self._environment.workers)
            while not (told := self._wait()).intersection(_ENDS):
                self._reap()
                if signal.SIGHUP in told:
                    watch.accept()
                    self._reload()
                elif not told and watch.changed():
                    self._reload()
                self._refill()
        finally:
            self._stop()

    def _listen_to_signals(self) -> None:
        """Have their numbers written to a pipe: one may interrupt a thread of a library's."""
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        for end in self._signals:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._signals[1])

    def _wait(self) -> set[int]:
        """Signals that have come; none where it is time to look at the folder."""
        seconds = self._environment.reload_seconds or None
        readable, _, _ = select.select([self._signals[0]], [], [], seconds)
        return set(os.read(self._signals[0], 4096)) if readable else set()

    def _start(self, count: int) -> set[int]:
        """So many workers that are ready.

        Raises:
            WorkerError: one of them does not get ready; none is left then.
        """
        started: set[int] = set()
        gc.collect()
        gc.freeze()  # the collector's marks would make every page a copy
        for _ in range(count):
            pid, ready = self._fork()
            started.add(pid)
            if not _was_told(ready):
                _kill(started, signal.SIGKILL)
                self._retired |= started
                raise WorkerError(
                    f"worker {pid} did not answer a picture within {START_SECONDS:g} s",
                    hint="the log says why; a runtime with threads of its own takes one worker",
                )
        return started

    def _refill(self) -> None:
        """Workers in place of those that died.

        Raises:
            WorkerError: none is left, and none starts.
        """
        try:
            self._serving |= self._start(self._environment.workers - len(self._serving))
        except WorkerError as error:
            if not self._serving:
                raise
            logger.error("%s (%s)", error.message, error.hint)  # noqa: TRY400 - no bug, no traceback

    def _fork(self) -> tuple[int, int]:
        """A worker's id, and the end of a pipe where it tells that it is ready."""
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            self._work(told)
        os.close(told)
        return pid, ready

    def _work(self, told: int) -> NoReturn:
        """Serve in a process of its own, which ends here."""
        code = 1
        try:
            os.close(self._lifeline[1])
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal's; the parent's tells us
            size = self._model.preparation.size
            self._model.predict(np.zeros((1, 3, size, size), np.float32))
            self._serve(told)
            code = 0
        except (SystemExit, KeyboardInterrupt):  # uvicorn has drained, and raised what it was told
            code = 0
        except BaseException:
            logger.exception("worker %d failed", os.getpid())
        finally:
            os._exit(code)

    def _serve(self, told: int) -> None:
        environment = self._environment
        service = Service(
            self._model,
            Metrics(),
            decoders=environment.decoders,
            max_batch=environment.max_batch,
        )

        @contextlib.asynccontextmanager
        async def attached(_app: Starlette) -> AsyncIterator[None]:
            loop = asyncio.get_running_loop()

            def orphaned() -> None:
                loop.remove_reader(self._lifeline[0])
                server.end()

            loop.add_reader(self._lifeline[0], orphaned)
            loop.add_signal_handler(_RETIRE, server.retire)
            os.write(told, b"1")
            os.close(told)
            yield

        app = create_app(
            service, batch=environment.batch, workers=environment.workers, lifespan=attached
        )
        server = Server(app)
        server.run([self._sock])

    def _reload(self) -> None:
        """Another generation with what the folder holds now, which the one before makes way for."""
        before = self._model
        try:
            self._model = self._load()
            started = self._start(self._environment.workers)
        except SnapshelfError as error:
            self._model = before
            self._metrics.reloads.labels(REFUSED).inc()
            logger.error("kept model %s: %s (%s)", before.version, error.message, error.hint)  # noqa: TRY400 - no bug, no traceback
            return
        _kill(self._serving, _RETIRE)
        self._retired |= self._serving
        self._serving = started
        self._metrics.reloads.labels(REPLACED).inc()
        logger.info("serving model %s: %d classes", self._model.version, len(self._model.classes))

    def _reap(self) -> None:
        """Take note of workers that have ended."""
        for pid in [*self._serving, *self._retired]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library's omission
            if pid in self._serving:
                code = os.waitstatus_to_exitcode(status)
                logger.error("worker %d ended with %d; another takes its place", pid, code)
            self._serving.discard(pid)
            self._retired.discard(pid)

    def _stop(self) -> None:
        """End all workers: those that have requests under way answer them first."""
        self._sock.close()  # who connects now is refused, and not left waiting
        _kill(self._serving | self._retired, signal.SIGTERM)
        self._retired |= self._serving
        self._serving = set()
        until = time.monotonic() + DRAIN_SECONDS + 2
        while self._retired and time.monotonic() < until:
            self._reap()
            time.sleep(_POLL)
        _kill(self._retired, signal.SIGKILL)


def _was_told(ready: int) -> bool:
    """Whether the other end of the pipe says something in time; an end that is closed does not."""
    with os.fdopen(ready, "rb", 0) as pipe:
        readable, _, _ = select.select([pipe], [], [], START_SECONDS)
        return bool(readable and pipe.read(1))


def _kill(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
