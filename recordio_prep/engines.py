"""What runs the tasks of a preparation: processes of this machine, or an engine for several."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from contracts import DatasetError
from recordio_prep import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordio_prep.workers import Crashed

Task = TypeVar("Task")
Result = TypeVar("Result")

DASK = "dask"
"""A scheduler and workers that are started on this machine; `dask://host:port` is another's."""


class Engine(Protocol):
    """Runs tasks on several processes, wherever they are.

    Attributes:
        elsewhere: Whether its workers may lack this machine's disk. A task then has to bring along
            all that it needs, and its result lies where every worker can reach it.
    """

    @property
    def elsewhere(self) -> bool: ...

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], *, apart: bool = False
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """Every task with its result, as they come; a task's exception is raised here.

        A few tasks for each worker are under way at any time, so memory stays flat. A task that
        was on a worker that ended is run again, perhaps while the first run of it still goes on; if
        it ends its workers again and again, it comes back as Crashed. Leaving the iteration early
        cancels what has not begun.

        Args:
            function: A module's own; both it and the tasks are pickled.
            tasks: Taken as they are needed.
            apart: Run one task after the other, so that none suffers for another.

        Raises:
            BrokenOffError: the engine itself was lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalProcesses:
    """Processes of this machine (`recordio_prep.workers`): the Engine that needs nothing else."""

    workers: int

    @property
    def elsewhere(self) -> bool:
        return False

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], *, apart: bool = False
    ) -> Iterator[tuple[Task, Result | Crashed]]:
        """See Engine."""
        return workers.run(function, tasks, workers=self.workers, apart=apart)


@contextlib.contextmanager
def started(address: str | None, photos: int, workers_wanted: int | None) -> Iterator[Engine]:
    """The engine at an address, until the end of the block.

    Args:
        address: None for this machine's own processes, `dask`, or `dask://host:port`.
        photos: How many there are to encode, at most.
        workers_wanted: Processes on this machine; None for what its cores can do.

    Raises:
        DatasetError: no such engine, or its package is not installed.
        BrokenOffError: it does not answer.
    """
    if address is None:
        yield LocalProcesses(workers.worker_count(photos, workers_wanted))
        return
    check(address)
    from recordio_prep.dask_engine import connected

    with connected(address, workers.worker_count(photos, workers_wanted)) as engine:
        yield engine


def check(address: str) -> None:
    """Raise a DatasetError for what is not an engine's address, or whose package is missing."""
    if address != DASK and not address.startswith(f"{DASK}://"):
        raise DatasetError(
            f"engine {address}, expected {DASK} or {DASK}://host:port",
            hint="without an engine, the processes of this machine do the work",
        )
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise DatasetError(
            f"engine {address}: the package distributed is not installed",
            hint="`pip install 'snapshelf[dask]'`, on the scheduler and on every worker too",
        ) from error
