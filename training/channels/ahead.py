"""Work that threads do ahead of whoever takes its results, in order and within bounds."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AHEAD = 2
"""Results beside those under way: enough to bridge a slow one, few enough for the memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def made_ahead(
    make: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """What `make` gives for each item, in order; the items are taken one after the other."""
    with ThreadPoolExecutor(threads, thread_name_prefix="pictures") as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(make, item))
                if len(ahead) >= threads + AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
