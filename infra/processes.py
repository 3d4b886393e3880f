"""Child processes that never outlive this one, each the head of a process group of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import IO, TYPE_CHECKING

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start `argv` with exactly `env`; the kernel kills it should this process die.

    The kernel ties that to the *thread* that starts the child: call it from a thread that lives as
    long as the child should (the event loop's, the main thread), never from a short-lived worker.

    Raises:
        DeployError: the program does not exist, or util-linux's `setpriv` is missing.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DeployError("setpriv was not found", hint="install util-linux 2.33 or newer")
    if shutil.which(argv[0], path=env.get("PATH", os.defpath)) is None:
        raise DeployError(f"{argv[0]}: no such program", hint="run `snapshelf doctor`")
    return subprocess.Popen(
        [setpriv, "--pdeathsig", "KILL", "--", *argv],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], *, grace_seconds: float) -> int:
    """SIGTERM the child's group, SIGKILL what is left after `grace_seconds`; its exit code.

    Blocks for up to `grace_seconds`. A child that has already ended is only reaped, and what it
    left behind in its group is killed.
    """
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    signal_group(process, signal.SIGKILL)
    return process.wait()


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the child and to all that it started in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
