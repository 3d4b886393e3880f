"""Dask as an engine: a cluster of any size, or one that is started on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import dask
import PIL
from distributed import Client, KilledWorker, LocalCluster

from contracts import DatasetError
from recordio_prep.catalog import SCHEMA_VERSION
from recordio_prep.engines import DASK
from recordio_prep.errors import BrokenOffError
from recordio_prep.workers import Crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from distributed import Future

Task = TypeVar("Task")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

_AHEAD = 2
"""Tasks in flight for each thread of the cluster, counted anew as workers come and go."""

_ANSWER_SECONDS = 30
"""For the scheduler to answer, and for its first worker to be there."""

_TOLD_SECONDS = 30
"""So often it is told that no worker is left; more may come."""

_CHATTY = ("distributed", "distributed.client", "tornado.application")

_CONFIG = {
    # A cluster on this machine gives up a worker whose nanny has not started it again by then; it
    # would look at a moment at which the next one was just killed, too.
    "distributed.deploy.lost-worker-timeout": "24h",
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
    "distributed.admin.large-graph-warning-threshold": "100MB",  # a shard brings its rows along
}

_GOES_ON = "run the same command again, which goes on from here"


@dataclass(frozen=True, slots=True)
class DaskEngine:
    """See Engine: tasks on the workers of a Dask cluster.

    The scheduler hands a lost worker's tasks to others. One whose workers ended four times
    (`distributed.scheduler.allowed-failures`, 3, is what it forgives), and again four times while
    nothing else ran, is Crashed.
    """

    client: Client

    @property
    def elsewhere(self) -> bool:
        return True

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], *, apart: bool = False
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """See Engine."""
        flights = _Flights(self.client, function)
        try:
            if apart:
                yield from flights.run(iter(tasks), 1)
            else:
                yield from _with_suspects_apart(flights, iter(tasks))
        except (OSError, asyncio.CancelledError) as error:
            if self.client.status == "running":
                raise
            raise BrokenOffError(
                f"the scheduler {self.client.scheduler.address} was lost", hint=_GOES_ON
            ) from error
        finally:
            flights.cancel()


@contextlib.contextmanager
def connected(address: str, workers: int) -> Iterator[DaskEngine]:
    """A client of the cluster at `dask://host:port`, or of one that lives as long as the block.

    Args:
        address: As said; the cluster's machines need this package, and the same Pillow.
        workers: Processes of a cluster on this machine.

    Raises:
        BrokenOffError: no scheduler, or no worker, answers in time.
    """
    with contextlib.ExitStack() as opened:
        opened.enter_context(dask.config.set(_CONFIG))
        opened.enter_context(_quiet())
        if address == DASK:
            where: Any = opened.enter_context(_cluster(workers))
        else:
            where = address.replace(f"{DASK}://", "tcp://")
        try:
            client = opened.enter_context(
                Client(where, timeout=_ANSWER_SECONDS, set_as_default=False)
            )
            client.wait_for_workers(1, timeout=_ANSWER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise BrokenOffError(
                f"{address}: {error}",
                hint="does the scheduler run there, and a worker? " + _GOES_ON,
            ) from error
        yield DaskEngine(client)


def _cluster(workers: int) -> LocalCluster:
    """One thread a process: a decoder that crashes takes one photo with it, not several.

    The system's memory is the limit, and the dashboard any port of loopback.
    """
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        preload="recordio_prep.dask_worker",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log of every connection off the terminal, unless all is to be told."""
    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _with_suspects_apart(flights: _Flights, tasks: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """Every task's result; those that seem to have crashed are run again at the end, alone.

    The scheduler suspects every task that a worker held when it ended, those that waited there
    too, so that one which was next to a deadly one often enough is given up along with it.
    """
    suspects = []
    for task, result in flights.run(tasks, None):
        if isinstance(result, Crashed):
            suspects.append(task)
        else:
            yield task, result
    yield from flights.run(iter(suspects), 1)


class _Flights:
    """The tasks that are under way, and their answers as they arrive."""

    def __init__(self, client: Client, function: Callable[[Any], Any]) -> None:
        self._client = client
        self._function = function
        self._pending: dict[Future, Any] = {}
        self._answers: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def run(self, tasks: Iterator[Any], most: int | None) -> Generator[tuple[Any, Any], None, None]:
        """As Engine.run, with `most` tasks at a time; None for what the cluster can hold."""
        while True:
            room = (most or self._room()) - len(self._pending)
            for task in islice(tasks, max(room, 0)):
                self._submit(task)
            if not self._pending:
                return
            future = self._next()
            yield self._pending[future], _result(future)
            del self._pending[future]  # what no one holds, the scheduler forgets

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._pending and self._client.status == "running":
            self._client.cancel(list(self._pending), force=True)
        self._pending.clear()

    def _submit(self, task: Any) -> None:
        future = self._client.submit(_run_here, self._function, task, _VERSIONS, pure=False)
        self._pending[future] = task
        future.add_done_callback(self._answers.put)

    def _room(self) -> int:
        threads: int = sum(self._client.nthreads().values())
        return max(_AHEAD * threads, 1)

    def _next(self) -> Future:
        """The next that is done, however long it takes; Ctrl-C is heard meanwhile."""
        told = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=1)
            if self._client.status != "running":
                raise OSError("the connection was closed")
            if time.monotonic() - told > _TOLD_SECONDS and not self._client.nthreads():
                logger.warning("the cluster has no worker at the moment; waiting for one")
                told = time.monotonic()


_VERSIONS = {"Pillow": PIL.__version__, "catalog": str(SCHEMA_VERSION)}
"""What the records' bytes depend on."""


def _run_here(function: Callable[[Task], Result], task: Task, versions: dict[str, str]) -> Result:
    """On a worker: the task, if this machine would do it as the driver's would."""
    if versions != _VERSIONS:
        raise DatasetError(
            f"a worker has {_listed(_VERSIONS)}, expected {_listed(versions)}",
            hint="install the same version of snapshelf and its lock file on every machine",
        )
    return function(task)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _result(future: Future) -> Any:
    try:
        return future.result()
    except KilledWorker:
        return Crashed()
