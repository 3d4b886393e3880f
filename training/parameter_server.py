"""MXNet's parameter server: ps-lite's scheduler and servers as children, this process a worker.

Source: MXNet 1.9 documentation, *Distributed Training in MXNet*, and ps-lite, `docs/env.md`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import mxnet as mx
from mxnet.base import _LIB, check_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.meeting import Venue

# SIGTERM goes to a container's whole group: servers must outlive the batch that the worker is to
# finish. They end with it (PR_SET_PDEATHSIG), however it ends. What they run is in the import.
_NODE_PROGRAM = """
import ctypes, os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    import mxnet
"""


def variables(venue: Venue, port: int, own: str) -> dict[str, str]:
    count = str(len(venue.hosts))
    return {
        "DMLC_PS_ROOT_URI": venue.address[0],
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NUM_SERVER": count,
        "DMLC_NUM_WORKER": count,
        "DMLC_NODE_HOST": own,
    }


@contextlib.contextmanager
def nodes(
    variables: dict[str, str], on_lost: Callable[[str], None], *, scheduler: bool
) -> Iterator[None]:
    """Run this host's server, and on the first host the scheduler.

    `on_lost` is called, in a thread, with what ended before the block.
    """
    roles = ["scheduler", "server"] if scheduler else ["server"]
    closing = threading.Event()
    nodes = {role: _start_node(role, variables) for role in roles}
    for role, node in nodes.items():
        threading.Thread(target=_watch, args=[role, node, closing, on_lost], daemon=True).start()
    try:
        yield
    finally:
        closing.set()
        for node in nodes.values():
            node.kill()
            node.wait()


def _start_node(role: str, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    # A server only adds up; its threads would take the worker's place.
    own = {"DMLC_ROLE": role, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _NODE_PROGRAM, str(os.getpid())],
        env={**os.environ, **variables, **own},
        stdin=subprocess.DEVNULL,
    )


def _watch(
    role: str,
    node: subprocess.Popen[bytes],
    closing: threading.Event,
    on_lost: Callable[[str], None],
) -> None:
    code = node.wait()
    if not closing.is_set():
        on_lost(f"MXNet's {role} has ended with code {code} before the training")


@contextlib.contextmanager
def connected(
    kind: str,
    variables: dict[str, str],
    on_lost: Callable[[str], None],
    patience_seconds: float,
) -> Iterator[Any]:
    """Connect this process, as a worker, with all servers; gives MXNet's kvstore."""
    worker = {**variables, "DMLC_ROLE": "worker"}
    os.environ.update(worker)
    try:
        kvstore = _created(kind, on_lost, patience_seconds)
        try:
            yield kvstore
        finally:
            # Whoever frees it later must not wait for the other hosts: the scheduler is gone then.
            check_call(_LIB.MXKVStoreSetBarrierBeforeExit(kvstore.handle, ctypes.c_int(0)))
    finally:
        for name in worker:
            os.environ.pop(name, None)


def _created(kind: str, on_lost: Callable[[str], None], patience_seconds: float) -> Any:
    """Wait, in MXNet, until the scheduler has heard of all servers and workers."""
    reason = f"MXNet's parameter server was not complete within {patience_seconds:g} s"
    timer = threading.Timer(patience_seconds, on_lost, [reason])
    timer.daemon = True
    timer.start()
    try:
        return mx.kv.create(kind)
    finally:
        timer.cancel()
