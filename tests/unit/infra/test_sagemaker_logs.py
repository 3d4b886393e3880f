"""A log file followed into a stream of lines."""

import asyncio

import pytest
from sagemaker_memory import MemoryLogs

from infra.sagemaker import logs as logs_module
from infra.sagemaker.logs import LogFollower, tail
from infra.sagemaker.threads import Threads

KEY = ("group", "stream")


@pytest.fixture
def sink():
    """Where the lines go."""
    return MemoryLogs()


@pytest.fixture
def follower(tmp_path, sink):
    """Follows `tmp_path/log`."""
    threads = Threads(1, "test")
    yield LogFollower(tmp_path / "log", *KEY, sink, threads, rotate=True)
    threads.close()


def test_lines_arrive_while_the_file_grows_and_a_part_of_a_line_waits(follower, sink):
    """A progress bar's carriage returns end lines; a last line without an end comes at the end."""

    async def scenario():
        async with follower.shipping(0.01):
            with follower.path.open("a") as log:
                log.write("one\n10%\r20%\r\n\nhal")
                log.flush()
                await asyncio.sleep(0.1)
                seen = list(sink.lines[KEY])
                log.write("f")
        return seen

    assert asyncio.run(scenario()) == ["one", "10%", "20%"]
    assert sink.lines[KEY] == ["one", "10%", "20%", "half"]


def test_lines_are_kept_while_the_sink_is_down(follower, sink):
    """They arrive once, in order, when it is back."""

    async def scenario():
        sink.up = False
        async with follower.shipping(0.01):
            follower.path.write_text("one\ntwo\n")
            await asyncio.sleep(0.05)
            sink.up = True

    asyncio.run(scenario())
    assert sink.lines[KEY] == ["one", "two"]


def test_a_log_larger_than_a_batch_arrives_whole(follower, sink, monkeypatch):
    """Batches stay within CloudWatch's limits."""
    monkeypatch.setattr(logs_module, "MAX_BATCH_BYTES", 1000)
    lines = [f"line {number}" for number in range(500)]

    async def scenario():
        async with follower.shipping(0.01):
            follower.path.write_text("\n".join(lines))

    asyncio.run(scenario())
    assert sink.lines[KEY] == lines


def test_a_line_longer_than_an_event_is_cut(follower, sink, monkeypatch):
    """CloudWatch would refuse it, and with it the batch."""
    monkeypatch.setattr(logs_module, "MAX_EVENT_BYTES", 10)

    async def scenario():
        async with follower.shipping(0.01):
            follower.path.write_text("x" * 25 + "\nnext\n")

    asyncio.run(scenario())
    assert sink.lines[KEY] == ["x" * 10, "next"]


def test_a_long_log_is_emptied_once_it_is_shipped(follower, sink, monkeypatch):
    """The writer appends, so its next line is at the beginning, and arrives."""
    monkeypatch.setattr(logs_module, "ROTATE_BYTES", 10)

    async def scenario():
        async with follower.shipping(0.01):
            with follower.path.open("ab", buffering=0) as log:
                log.write(b"0123456789\n")
                await asyncio.sleep(0.1)
                size = follower.path.stat().st_size
                log.write(b"next\n")
        return size

    assert asyncio.run(scenario()) == 0
    assert sink.lines[KEY] == ["0123456789", "next"]


def test_tail_gives_the_end_of_a_log(tmp_path):
    """Empty lines left out, and no more than a FailureReason can hold."""
    (tmp_path / "log").write_text("x" * 2000 + "\n\nlast words\n")
    end = tail(tmp_path / "log")
    assert end.endswith("x\nlast words")
    assert len(end) < 720
    (tmp_path / "log").write_text("")
    assert tail(tmp_path / "log") == ""
