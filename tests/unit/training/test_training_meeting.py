"""Hosts that meet, agree, and notice who is lost; each a thread here."""

import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts import TrainingError
from training.meeting import Venue, meet

SOON = 10


@pytest.fixture
def venue():
    """Three hosts, on a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    return Venue("job", ("algo-1", "algo-2", "algo-3"), address)


@pytest.fixture
def threads():
    """A thread a host."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def ignore(_reason):
    """For tests in which nobody is lost."""


def met(threads, venue, on_lost=ignore):
    """All hosts' ends of one meeting, by rank."""
    coming = [
        threads.submit(meet, venue, host, within_seconds=SOON, on_lost=on_lost)
        for host in venue.hosts
    ]
    return [one.result(SOON) for one in coming]


def test_all_get_what_all_gave_by_rank(threads, venue):
    """Turn by turn, whoever is first."""
    meetings = met(threads, venue)
    assert [(one.rank, one.size) for one in meetings] == [(0, 3), (1, 3), (2, 3)]
    for turn in range(20):
        values = [{"turn": turn, "rank": one.rank, "text": "é\n"} for one in meetings]
        gathering = [
            threads.submit(one.gathered, value) for one, value in zip(meetings, values, strict=True)
        ]
        assert [one.result(SOON) for one in gathering] == [values] * 3
    for one in [threads.submit(one.leave) for one in meetings]:
        one.result(SOON)
    for one in meetings:
        one.close()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_all_others_learn_who_is_lost(threads, venue, lost):
    """By the callback, and by an error wherever they wait."""
    reasons, told = [], threading.Semaphore(0)

    def note(reason):
        reasons.append(reason)
        told.release()

    meetings = met(threads, venue, note)
    waiting = [threads.submit(one.gathered, 1) for one in meetings if one.rank != lost]
    meetings[lost].close()
    expected = f"host {venue.hosts[lost]} has left the training before its end"
    for one in waiting:
        with pytest.raises(TrainingError, match=expected):
            one.result(SOON)
    for _ in range(2):
        assert told.acquire(timeout=SOON)
    assert set(reasons) == {expected}
    for one in meetings:
        one.close()


def test_a_host_that_leaves_in_order_is_not_lost(threads, venue):
    """Nobody is told anything, whoever closes first."""
    reasons = []
    meetings = met(threads, venue, reasons.append)
    for one in [threads.submit(one.leave) for one in meetings]:
        one.result(SOON)
    for one in meetings:
        one.close()
    assert reasons == []


def test_hosts_that_do_not_come_are_named(threads, venue):
    """And those that came are not left waiting."""
    second = threads.submit(meet, venue, "algo-2", within_seconds=SOON, on_lost=ignore)
    with pytest.raises(TrainingError, match=r"^algo-3 did not come to algo-1 .* within 0.5 s$"):
        meet(venue, "algo-1", within_seconds=0.5, on_lost=ignore)
    with pytest.raises(TrainingError, match="host algo-1 has left the training"):
        second.result(SOON)


def test_a_first_host_that_is_not_there_is_named(venue):
    """With what the last attempt met."""
    with pytest.raises(TrainingError, match=r"algo-2 could not reach algo-1 \(127.*: .*refused"):
        meet(venue, "algo-2", within_seconds=0.3, on_lost=ignore)


def test_a_port_that_is_taken_is_an_error_with_a_way_out(venue):
    """Another may be chosen."""
    with (
        socket.create_server(venue.address),
        pytest.raises(TrainingError, match="cannot listen at algo-1") as error,
    ):
        meet(venue, "algo-1", within_seconds=SOON, on_lost=ignore)
    assert "SNAPSHELF_CLUSTER_PORT" in error.value.hint


@pytest.mark.parametrize(
    "hello",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        json.dumps({"job": "another", "host": "algo-2"}).encode() + b"\n",
        json.dumps({"job": "job", "host": "algo-9"}).encode() + b"\n",
        b"",
    ],
    ids=["stranger", "another job", "unknown host", "silent"],
)
def test_strangers_are_sent_away(threads, venue, hello, caplog):
    """The meeting goes on without them."""
    first = threads.submit(meet, venue, "algo-1", within_seconds=SOON, on_lost=ignore)
    while True:
        try:
            stranger = socket.create_connection(venue.address)
            break
        except ConnectionRefusedError:
            continue
    with stranger, caplog.at_level(logging.WARNING):
        stranger.sendall(hello)
        stranger.shutdown(socket.SHUT_WR)
        others = [
            threads.submit(meet, venue, host, within_seconds=SOON, on_lost=ignore)
            for host in venue.hosts[1:]
        ]
        meetings = [one.result(SOON) for one in (first, *others)]
    assert "sent away" in caplog.text
    for one in [threads.submit(one.leave) for one in meetings]:
        one.result(SOON)
    for one in meetings:
        one.close()
