"""Several hosts train one network, by MXNet's parameter server, from resourceconfig.json."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mxnet as mx

from contracts import TrainingError
from training.environment import ADDRESSES_VARIABLE
from training.meeting import Meeting, Venue, meet
from training.parameter_server import connected, nodes, variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from training.environment import Environment

logger = logging.getLogger(__name__)

DIST_SYNC, DIST_ASYNC = "dist_sync", "dist_async"
KINDS = (DIST_SYNC, DIST_ASYNC)
"""The values of the built-in algorithm's `kv_store`."""

PATIENCE_SECONDS = 300
"""For all hosts to be there: SageMaker starts them within minutes of each other."""

GRACE_SECONDS = 10
"""For the training to notice by itself that a host is lost, before this process ends."""

_PORTS = range(20_000, 30_000)  # below those that the system hands out (32768 and on)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of the job, as a training loop needs to know them.

    Attributes:
        rank: this host's place in the order of names, 0 for the one that reports and writes the
            artifact. Not `kvstore.rank`, which ps-lite gives out as hosts come.
        size: how many hosts there are.
        kvstore_kind: one of KINDS, or None for a single host.
        kvstore: for `gluon.Trainer`, or None for a single host.
    """

    rank: int = 0
    size: int = 1
    kvstore_kind: str | None = None
    kvstore: Any = None
    _meeting: Meeting | None = None

    @property
    def update_on_kvstore(self) -> bool | None:
        """For `gluon.Trainer`.

        Synchronous: False. Servers only add gradients up, and every host takes the same step, with
        the optimizer's state at hand for checkpoints and schedules. Asynchronous: True, which MXNet
        requires; the state is then at the servers, and only what the optimizer was made with
        reaches them (give it its `lr_scheduler`). None for a single host: MXNet decides.
        """
        return None if self.kvstore_kind is None else self.kvstore_kind == DIST_ASYNC

    def step(self, trainer: mx.gluon.Trainer, batch_size: int) -> None:
        """`trainer.step`, with the first weights settled before the first gradients are sent.

        Trainer's first step asks for the weights and sends gradients under the same keys without
        waiting (MXNet 1.9.1). Where servers only add gradients up, an answer that comes late then
        holds the gradients' sum in place of the weights: of four hosts, one went on with weights
        that were off by 8.7.

        Args:
            trainer: made with `kvstore` and `update_on_kvstore`.
            batch_size: of all hosts together, by which the gradients' sum is divided.
        """
        if self.kvstore is not None and trainer._params_to_init:  # noqa: SLF001 - nothing public
            if not trainer._kv_initialized:  # noqa: SLF001 - as above
                # The servers of dist_async are given the optimizer as it is now.
                trainer._check_and_rescale_grad(trainer._scale / batch_size)  # noqa: SLF001
                trainer._init_kvstore()  # noqa: SLF001 - as above
            trainer._init_params()  # noqa: SLF001 - as above
            mx.nd.waitall()
        trainer.step(batch_size)

    def gathered(self, value: Any) -> list[Any]:
        """What every host has given to its call of the same turn, by rank; waits for all.

        For what all must decide alike: `any(gathered(should_stop()))`, `min(gathered(batches))`.

        Raises:
            TrainingError: a host is lost.
        """
        return self._meeting.gathered(value) if self._meeting else [value]


@contextlib.contextmanager
def started(
    environment: Environment, kind: str | None = None, *, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[Cluster]:
    """Join the hosts of the job; on leaving, wait until all have come to the end of their block.

    Every host must begin with the same weights (one seed, or one checkpoint), and with `dist_sync`
    take the same number of steps, by `Cluster.step`. Where a host is lost, this process ends with
    exit code 1 and a failure file within GRACE_SECONDS, even if MXNet waits for that host at the
    moment; and MXNet is not torn down, for it would wait again.

    Args:
        environment: whose resourceconfig.json names the hosts.
        kind: one of KINDS; None is `dist_sync`. Without effect on a single host.
        patience_seconds: for all hosts to be there, and again for their servers.

    Raises:
        TrainingError: an unknown kind; not all hosts have met within `patience_seconds`; a host is
            lost.
    """
    if kind is not None and kind not in KINDS:
        raise TrainingError(f"kv_store {kind!r}: expected {' or '.join(KINDS)}")
    resources = environment.resources()
    if len(resources.hosts) == 1:
        yield Cluster()
        return
    kind, host = kind or DIST_SYNC, resources.current_host
    losses = _Losses(environment.failure_file)
    with contextlib.ExitStack() as stack:
        venue, own = _places(environment, patience_seconds)
        meeting = meet(venue, host, within_seconds=patience_seconds, on_lost=losses.note)
        stack.callback(meeting.close)
        port = meeting.gathered(_free_port(own) if meeting.rank == 0 else None)[0]
        environ = variables(venue, port, own)
        stack.enter_context(nodes(environ, losses.note, scheduler=meeting.rank == 0))
        kvstore = stack.enter_context(connected(kind, environ, losses.note, patience_seconds))
        logger.info("%s of %d hosts trains with %s", host, meeting.size, kind)
        try:
            yield Cluster(meeting.rank, meeting.size, kind, kvstore, meeting)
            mx.nd.waitall()  # while all servers are there
            meeting.leave()
        except BaseException:
            atexit.register(_end_at_once)
            raise
        losses.end()


def _places(environment: Environment, patience_seconds: float) -> tuple[Venue, str]:
    """Where the hosts meet, and this host's own address."""
    resources, deadline = environment.resources(), time.monotonic() + patience_seconds
    first, own = (
        _address(environment.host_addresses, host, deadline)
        for host in (resources.hosts[0], resources.current_host)
    )
    port = environment.cluster_port or port_of(environment.job_name)
    return Venue(environment.job_name, resources.hosts, (first, port)), own


def port_of(job_name: str) -> int:
    """Where a job's hosts meet, 20000 to 29999: jobs that share a machine do not mix."""
    return _PORTS[int(hashlib.sha256(job_name.encode()).hexdigest(), 16) % len(_PORTS)]


def _address(known: Mapping[str, str], host: str, deadline: float) -> str:
    """A host's IPv4 address, which ps-lite listens at. DNS may come to know it late."""
    if host in known:
        return known[host]
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError as error:
            if time.monotonic() > deadline:
                raise TrainingError(
                    f"no address is known for host {host}: {error}",
                    hint=f"{ADDRESSES_VARIABLE} names those that DNS does not know",
                ) from error
            time.sleep(1)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


class _Losses:
    """Ends this process when a host or a node is lost, even if the main thread is in MXNet."""

    def __init__(self, failure_file: Path) -> None:
        self._failure_file, self._ended = failure_file, threading.Event()

    def end(self) -> None:
        """From now on nothing can be lost."""
        self._ended.set()

    def note(self, reason: str) -> None:
        """Called in a thread, which waits for the training to end by itself."""
        if self._ended.wait(GRACE_SECONDS):
            return
        logger.error(reason)
        if not self._failure_file.exists():
            self._failure_file.parent.mkdir(parents=True, exist_ok=True)
            self._failure_file.write_text(reason)
        _end_at_once()


def _end_at_once() -> None:
    """End without MXNet's destructors, which wait for answers that will not come."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(1)
