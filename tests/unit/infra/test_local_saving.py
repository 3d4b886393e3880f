"""The state saver: changes within a moment, logs at leisure, and a save under way is finished."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import saving

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the services that were saved, in order; a save takes 50 ms."""
    names: list[str] = []

    def save(name: str, state: Any) -> None:
        time.sleep(0.05)
        names.append(name)

    states: dict[str, Callable[[], Any]] = {
        "s3": dict,
        "cloudwatch_logs": dict,
        "sqs": lambda: 1 / 0,
    }
    monkeypatch.setattr(saving.ministack, "_build_persistence_save_dict", lambda: states)
    monkeypatch.setattr(saving.persistence, "save_state", save)
    monkeypatch.setattr(saving, "CHANGE_SECONDS", 0.01)
    return names


def watched(seconds: float, *, only_logs: bool) -> None:
    """One change, then the saver's end after that time."""

    async def run() -> None:
        saver = saving.StateSaver()
        saver.start()
        saver.changed(only_logs=only_logs)
        await asyncio.sleep(seconds)
        await saver.stop()

    asyncio.run(run())


def test_a_change_is_saved_at_once_and_logs_are_not(saved: list[str]) -> None:
    """A service that cannot tell its state does not keep the others from being saved."""
    watched(0.3, only_logs=False)
    assert saved == ["s3"]


def test_logs_are_saved_when_their_time_has_come(
    saved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of logs alone waits for its own interval, and saves nothing else."""
    watched(0.1, only_logs=True)
    assert saved == []
    monkeypatch.setattr(saving, "LOG_SECONDS", 0.0)
    watched(0.3, only_logs=True)
    assert saved == ["cloudwatch_logs"]


def test_a_save_under_way_is_finished_before_the_end(saved: list[str]) -> None:
    """Two writers on one file would spoil it: MiniStack's own last save comes after ours."""
    watched(0.03, only_logs=False)
    assert saved == ["s3"]
