"""Runs tasks on several processes, with memory that does not grow; a task may end its process."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from contracts import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2
"""Tasks in flight by worker: one at work, one waiting. It bounds the memory."""

_PHOTOS_WORTH_A_WORKER = 32
"""With fewer a process would only wait."""

_PR_SET_PDEATHSIG = 1


class Crashed:
    """In place of a result: the task ended its process (or the system did, for want of memory)."""


def run(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    apart: bool = False,
) -> Iterator[tuple[Task, Result | Crashed]]:
    """Every task with its result, as they come; a task's exception is raised here.

    Leaving the iteration early ends the processes, once they are through with the task at hand.

    Args:
        function: A module's own; both it and the tasks are pickled.
        tasks: Taken as they are needed.
        workers: Processes beside this one; with 0 all is done in this one, whatever a task does.
        apart: Give every task a process of its own, one after the other.
    """
    if apart:
        yield from ((task, _alone(function, task)) for task in tasks)
    elif workers == 0:
        yield from ((task, function(task)) for task in tasks)
    else:
        remaining = iter(tasks)
        while True:
            lost = yield from _run_until_crash(function, remaining, workers)
            if lost is None:
                return
            yield from ((task, _alone(function, task)) for task in lost)


def worker_count(photos: int, workers: int | None) -> int:
    """As many as asked for; else one for each core; in any case as far as there is work for them.

    Raises:
        DatasetError: fewer than one was asked for.
    """
    if workers is None:
        cores = len(os.sched_getaffinity(0))
        return max(1, min(cores, photos // _PHOTOS_WORTH_A_WORKER))
    if workers < 1:
        raise DatasetError(f"{workers} workers, expected at least 1")
    return max(1, min(workers, photos))


def _run_until_crash(
    function: Callable[[Task], Result], tasks: Iterator[Task], workers: int
) -> Generator[tuple[Task, Result | Crashed], None, list[Task] | None]:
    """As `run`; returns the tasks that were in flight when a process ended, None at the end."""
    pool = _pool(workers)
    pending: dict[Future[Result], Task] = {}
    try:
        while True:
            for task in itertools.islice(tasks, workers * _AHEAD - len(pending)):
                try:
                    pending[pool.submit(function, task)] = task
                except BrokenProcessPool:
                    return [*pending.values(), task]
            if not pending:
                return None
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                if isinstance(future.exception(), BrokenProcessPool):
                    return list(pending.values())
                yield pending[future], future.result()
                del pending[future]
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(function: Callable[[Task], Result], task: Task) -> Result | Crashed:
    pool = _pool(1)
    try:
        return pool.submit(function, task).result()
    except BrokenProcessPool:
        return Crashed()
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        # To spawn would import the whole command line again, a second by worker. No lock that a
        # forked worker takes is held by another thread of a program that packs.
        mp_context=multiprocessing.get_context("fork"),
        initializer=_become_worker,
        initargs=(os.getpid(),),
    )


def _become_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, die with it, and keep libtiff's complaints off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # prctl is Linux's
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a path)
        os.dup2(nowhere.fileno(), 2)
