"""Where the hosts of a job meet: who is there, what they tell each other, and who is lost.

ps-lite, MXNet's parameter server, waits for its nodes for ever and does not say for which. So the
hosts meet here first, over connections that stay open: when one of them ends, its host is gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from contracts import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.2
HELLO_SECONDS = 10
"""For whoever connects to say who it is."""

KEEPALIVE_SECONDS = 10
"""Between two probes of an idle connection, the sixth of which finds a dead machine."""


@dataclass(frozen=True, slots=True)
class Venue:
    """A job's hosts by name, the first of which is where they meet, and its address and port."""

    job: str
    hosts: tuple[str, ...]
    address: tuple[str, int]

    def __str__(self) -> str:
        return f"{self.hosts[0]} ({self.address[0]}:{self.address[1]})"


class Meeting:
    """A star of connections about the first host, for small values that JSON can hold.

    Args:
        peers: a connection for each other host (at the first), or one to the first.
        on_lost: called, in a thread, with a sentence that says who is lost; not once `leave` began.
    """

    def __init__(
        self, rank: int, venue: Venue, peers: Sequence[_Peer], on_lost: Callable[[str], None]
    ) -> None:
        self.rank, self.size = rank, len(venue.hosts)
        self._peers, self._on_lost = peers, on_lost
        self._leaving = False
        for peer in peers:
            threading.Thread(target=self._listen, args=[peer], daemon=True).start()

    def gathered(self, value: Any) -> list[Any]:
        """What every host has given to its call of the same turn, by rank. Waits for all of them.

        Raises:
            TrainingError: a host is lost.
        """
        if self.rank != 0:
            (first,) = self._peers
            first.send(value)
            answer: list[Any] = first.receive()
            return answer
        values = [value, *(peer.receive() for peer in self._peers)]
        for peer in self._peers:
            peer.send(values)
        return values

    def leave(self) -> None:
        """Wait until all hosts have come to their end, then part.

        Raises:
            TrainingError: a host is lost before it has.
        """
        self._leaving = True
        self.gathered(None)

    def close(self) -> None:
        """Part at once: the other hosts take this one for lost, unless all have left."""
        self._leaving = True
        for peer in self._peers:
            peer.close()

    def _listen(self, peer: _Peer) -> None:
        reason = peer.listen()
        if self._leaving:
            return
        for other in self._peers:
            if other is not peer:
                other.tell_lost(reason)
        self._on_lost(reason)


class _Peer:
    """A connection to another host. A thread listens; what came waits in a queue."""

    def __init__(self, host: str, connection: socket.socket, lines: IO[bytes]) -> None:
        self.host, self._connection, self._lines = host, connection, lines
        self._arrived: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5)

    def send(self, value: Any) -> None:
        """Send a value; that the host is lost, `receive` says."""
        with contextlib.suppress(OSError):
            self._connection.sendall(_line({"value": value}))

    def tell_lost(self, reason: str) -> None:
        """Tell the host that another is lost, and expect no more of it."""
        self._arrived.put({"lost": reason})
        with contextlib.suppress(OSError):
            self._connection.sendall(_line({"lost": reason}))

    def receive(self) -> Any:
        """The next value.

        Raises:
            TrainingError: it will not come, for a host is lost.
        """
        message = self._arrived.get()
        if "lost" in message:
            self._arrived.put(message)  # for the next call
            raise TrainingError(message["lost"], hint="see its own log")
        return message["value"]

    def listen(self) -> str:
        """Take in what comes, to the end; the sentence that says who is lost."""
        message: dict[str, Any] = {"lost": f"host {self.host} has left the training before its end"}
        with self._lines, contextlib.suppress(OSError, ValueError):
            while line := self._lines.readline():
                received = json.loads(line)
                if "lost" in received:
                    message = received
                    break
                self._arrived.put(received)
        self._arrived.put(message)
        return str(message["lost"])

    def abandon(self) -> None:
        """Close a connection that no thread listens to."""
        self._lines.close()
        self._connection.close()

    def close(self) -> None:
        """End the connection, and with it the thread that listens."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def meet(
    venue: Venue, host: str, *, within_seconds: float, on_lost: Callable[[str], None]
) -> Meeting:
    """Wait until all hosts are there. `on_lost`: see Meeting.

    Raises:
        TrainingError: naming the hosts that have not come in time, or the place that cannot be
            reached or listened at.
    """
    rank, deadline = venue.hosts.index(host), time.monotonic() + within_seconds
    if rank == 0:
        peers = _receive_all(venue, deadline, within_seconds)
    else:
        peers = [_join(venue, host, deadline, within_seconds)]
    meeting = Meeting(rank, venue, peers, on_lost)
    try:
        meeting.gathered(host)  # nobody goes on before everybody is there
    except BaseException:
        meeting.close()
        raise
    return meeting


def _receive_all(venue: Venue, deadline: float, within_seconds: float) -> list[_Peer]:
    found: dict[str, _Peer] = {}
    try:
        with socket.create_server(venue.address, backlog=len(venue.hosts)) as server:
            while missing := [host for host in venue.hosts[1:] if host not in found]:
                server.settimeout(max(0.001, deadline - time.monotonic()))
                peer = _admitted(venue, missing, server.accept()[0])
                if peer:
                    found[peer.host] = peer
    except TimeoutError:
        for peer in found.values():
            peer.abandon()
        raise TrainingError(
            f"{', '.join(missing)} did not come to {venue} within {within_seconds:g} s",
            hint="see the logs of those hosts; all must reach each other over TCP",
        ) from None
    except OSError as error:
        raise TrainingError(
            f"cannot listen at {venue}: {error.strerror}",
            hint="SNAPSHELF_CLUSTER_PORT names another port, the same on all hosts",
        ) from error
    return [found[host] for host in venue.hosts[1:]]


def _admitted(venue: Venue, missing: list[str], connection: socket.socket) -> _Peer | None:
    """The host that has connected; None for anything else, which is sent away."""
    lines = connection.makefile("rb")
    connection.settimeout(HELLO_SECONDS)
    hello = None
    with contextlib.suppress(OSError, ValueError):
        hello = json.loads(lines.readline(1000))
    for host in missing:
        if hello == {"job": venue.job, "host": host}:
            return _Peer(host, connection, lines)
    logger.warning("%s sent away %r: expected one of %s", venue, hello, ", ".join(missing))
    lines.close()
    connection.close()
    return None


def _join(venue: Venue, host: str, deadline: float, within_seconds: float) -> _Peer:
    while True:
        try:
            connection = socket.create_connection(
                venue.address, timeout=max(0.001, deadline - time.monotonic())
            )
        except OSError as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                raise TrainingError(
                    f"{host} could not reach {venue} within {within_seconds:g} s: {error}",
                    hint=f"see the log of {venue.hosts[0]}",
                ) from error
            time.sleep(RETRY_SECONDS)
            continue
        connection.sendall(_line({"job": venue.job, "host": host}))
        return _Peer(venue.hosts[0], connection, connection.makefile("rb"))


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
