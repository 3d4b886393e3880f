"""Encodes photos on several processes, in order, with memory that does not grow."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.encode import Encoded, Job, Unreadable, encode_photo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BATCH = 16
"""Photos handed over at once: enough to hide the hand-over, few enough to stop promptly."""

_BATCHES_AHEAD = 4
"""Batches in flight by worker: what bounds the memory."""

_PHOTOS_WORTH_A_WORKER = 2 * _BATCH
"""With fewer a process would only wait."""

_PR_SET_PDEATHSIG = 1


def encode_all(jobs: Iterable[Job], *, workers: int) -> Iterator[Encoded | Unreadable]:
    """The photos encoded, in the order of `jobs`, whatever the number of workers.

    With one worker all is done in this process. Leaving the iteration early ends the others.

    Raises:
        DatasetError: a worker process was killed (by the system, for want of memory).
    """
    if workers == 1:
        yield from map(encode_photo, jobs)
        return
    pool = ProcessPoolExecutor(
        workers,
        # To spawn would import the whole command line again, a second by worker. No lock that a
        # forked worker takes is held by another thread of a program that packs.
        mp_context=multiprocessing.get_context("fork"),
        initializer=_become_worker,
        initargs=(os.getpid(),),
    )
    try:
        pending: deque[Future[list[Encoded | Unreadable]]] = deque()
        for batch in _batches(jobs):
            pending.append(pool.submit(_encode_batch, batch))
            if len(pending) > workers * _BATCHES_AHEAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool as error:
        raise DatasetError(
            "a worker process was killed while photos were packed",
            hint="too little memory? try `--workers 1`",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    remaining = iter(jobs)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield batch


def worker_count(photos: int, workers: int | None) -> int:
    """As many as asked for; else one for each core, as far as there is work for it.

    Raises:
        DatasetError: fewer than one was asked for.
    """
    if workers is None:
        cores = len(os.sched_getaffinity(0))
        return max(1, min(cores, photos // _PHOTOS_WORTH_A_WORKER))
    if workers < 1:
        raise DatasetError(f"{workers} workers, expected at least 1")
    return workers


def _encode_batch(batch: list[Job]) -> list[Encoded | Unreadable]:
    return [encode_photo(job) for job in batch]


def _become_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, die with it, and keep libtiff's complaints off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # prctl is Linux's
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a path)
        os.dup2(nowhere.fileno(), 2)
