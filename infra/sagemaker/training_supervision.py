"""A job's containers are watched until the job is at its end, one way or another."""

from __future__ import annotations

import asyncio
import enum
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.sagemaker.training_instance import Instance


class Ending(enum.Enum):
    """Why the containers are no longer running."""

    EXITED = "exited"
    STOPPED = "stopped"
    OUT_OF_TIME = "out of time"
    BROKEN = "broken"


Outcome = tuple[Ending, str | None]
"""Of a job's containers: how they ended, and why they failed."""


async def supervise(
    instances: Sequence[Instance],
    *,
    seconds: float,
    stop: asyncio.Event,
    broken: asyncio.Event,
    grace_seconds: float,
) -> Outcome:
    """Wait until all have exited or one has failed, until `stop` or `broken`, or the time's end.

    None runs any more then. With BROKEN the reason is the caller's to know.

    Args:
        instances: started.
        seconds: that they have.
        stop: the job is asked to end.
        broken: their input has.
        grace_seconds: from SIGTERM to SIGKILL.
    """
    exits = {asyncio.create_task(_exit_of(one)): one for one in instances}
    events = {
        asyncio.create_task(broken.wait()): Ending.BROKEN,
        asyncio.create_task(stop.wait()): Ending.STOPPED,
    }
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        while pending := [task for task in exits if not task.done()]:
            await asyncio.wait(
                {*pending, *events},
                timeout=max(0, end - loop.time()),
                return_when="FIRST_COMPLETED",
            )
            if any(task.result()[0] != 0 for task in exits if task.done()):
                break
            told = [why for task, why in events.items() if task.done()]
            if not all(task.done() for task in exits) and (told or loop.time() >= end):
                await stop_all(instances, grace_seconds)
                return (told[0] if told else Ending.OUT_OF_TIME), None
        await stop_all(instances, grace_seconds)
        return Ending.EXITED, _first_failure({one: await task for task, one in exits.items()})
    finally:
        for task in (*exits, *events):
            task.cancel()


async def stop_all(instances: Sequence[Instance], grace_seconds: float) -> None:
    """End those that still run, at once."""
    await asyncio.gather(*(one.stop(grace_seconds) for one in instances))


async def _exit_of(one: Instance) -> tuple[int, float]:
    """A container's exit code, and when its end was noticed, in seconds since 1970."""
    code = await one.wait()
    return code, time.time()


def _first_failure(exits: Mapping[Instance, tuple[int, float]]) -> str | None:
    """Why the job failed, None if it did not.

    The host that failed first tells: others fail because of it, or are stopped behind it.
    """
    failed = {
        one: (one.failed_at(moment), code) for one, (code, moment) in exits.items() if code != 0
    }
    if not failed:
        return None
    first = min(failed, key=lambda one: failed[one][0])
    return first.failure_reason(failed[first][1])
