"""Loops of requests, closed and open, and what their times come to; for the programs beside it."""

from __future__ import annotations

import functools
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

Send: TypeAlias = Callable[[], None]


def closed(clients: Sequence[Send], seconds: float, label: str) -> dict[str, float]:
    """Clients that send on when the last is answered: ms at p50 and p99, requests a second."""
    took: list[list[float]] = [[] for _ in clients]
    deadline = time.monotonic() + seconds

    def work(send: Send, mine: list[float]) -> None:
        while time.monotonic() < deadline:
            start = time.perf_counter()
            send()
            mine.append((time.perf_counter() - start) * 1000)

    began = time.monotonic()
    run_together([functools.partial(work, *pair) for pair in zip(clients, took, strict=True)])
    elapsed = time.monotonic() - began
    times = [each for mine in took for each in mine]
    return {**percentiles(times, f"closed_{label}"), f"closed_{label}_rate": len(times) / elapsed}


def opened(clients: Sequence[Send], seconds: float, rate: float) -> dict[str, float]:
    """Requests that are due at a fixed rate, whether or not those before are answered."""
    took: list[float] = []
    due = iter([number / rate for number in range(max(2, int(seconds * rate)))])
    lock = threading.Lock()
    began = time.perf_counter() + 0.05

    def work(send: Send) -> None:
        while True:
            with lock:
                at = next(due, None)
            if at is None:
                return
            time.sleep(max(0.0, began + at - time.perf_counter()))
            send()
            took.append((time.perf_counter() - began - at) * 1000)

    run_together([functools.partial(work, send) for send in clients])
    return percentiles(took, "open")


def throughput(clients: Sequence[Send], seconds: float) -> float:
    """Requests a second of a closed loop."""
    return closed(clients, seconds, "one")["closed_one_rate"]


def percentiles(times: list[float], label: str) -> dict[str, float]:
    """Milliseconds."""
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {f"{label}_p50": cuts[49], f"{label}_p99": cuts[98]}


def run_together(works: Sequence[Callable[[], None]]) -> None:
    """Each in a thread; the first error is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised below)
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
