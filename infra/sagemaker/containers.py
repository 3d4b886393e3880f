"""A process in SageMaker's container layout: its own /opt/ml, environment and log."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import BASE_DIR_VARIABLE
from infra.images import PROJECT_ROOT
from infra.memory import GIBIBYTE, watch
from infra.processes import signal_group, spawn
from infra.sagemaker.cloud_clients import SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

# Lays a writable /opt over the host's own, in a mount namespace that only this process is in, and
# binds the folder `base` there as /opt/ml; a file `hosts`, where there is one, becomes /etc/hosts.
# Every source is bound before /opt is covered, for the
# folders may themselves be under it. The death signal is set again: exec may have cleared it.
_MOUNT_SCRIPT = """
set -e
scratch=$1 base=$2 home=$3 hosts=$4
shift 4
mount -t tmpfs snapshelf "$scratch"
cd "$scratch"
mkdir upper work opt
mount -t overlay overlay -o lowerdir=/opt,upperdir=upper,workdir=work opt
mkdir -p opt/ml
mount --rbind "$base" opt/ml
if [ -f "$hosts" ] && [ -f /etc/hosts ]; then mount --bind "$hosts" /etc/hosts; fi
mount --rbind opt /opt
cd "$home"
exec setpriv --pdeathsig KILL -- "$@"
"""


class LayoutMode(enum.Enum):
    """How a container gets its private /opt/ml on this machine; the value says it in words."""

    ROOT = "private /opt/ml by a mount namespace"
    USER = "private /opt/ml by a mount namespace inside a user namespace"
    BASE_DIR = f"no mount namespaces here: {BASE_DIR_VARIABLE} names each container's folder"


_UNSHARE = {
    LayoutMode.ROOT: ("unshare", "--mount"),
    LayoutMode.USER: ("unshare", "--user", "--map-root-user", "--mount"),
}


@functools.cache
def layout_mode() -> LayoutMode:
    """What this kernel allows, tried out once; takes some hundredths of a second."""
    for mode in (LayoutMode.ROOT, LayoutMode.USER):
        if _works(mode):
            return mode
    return LayoutMode.BASE_DIR


def _works(mode: LayoutMode) -> bool:
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        spec = ContainerSpec(("touch", "/opt/ml/reached"), Path(folder), {}, mode)
        spec.make_folders()
        done = subprocess.run(_in_namespace(spec), capture_output=True, check=False, timeout=20)
        return done.returncode == 0 and (spec.base / "reached").exists()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What to run.

    Attributes:
        argv: the image's program and its command, `train` or `serve`.
        folder: everything of this container; instances of one endpoint variant share it.
        environment: what the image's user and SageMaker set; the host's own is never passed on.
        layout: how the container gets its /opt/ml.
        memory: bytes that all its processes together may hold; None for no limit.
    """

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    layout: LayoutMode
    memory: int | None = None

    @property
    def base(self) -> Path:
        """The folder that the container sees as /opt/ml."""
        return self.folder / "ml"

    @property
    def home(self) -> Path:
        """HOME, working directory and scratch space."""
        return self.folder / "home"

    @property
    def scratch(self) -> Path:
        """Stays empty: where the container, unseen from here, mounts what it needs."""
        return self.folder / "scratch"

    @property
    def hosts(self) -> Path:
        """What the container sees as /etc/hosts; where it is missing, the machine's own."""
        return self.folder / "hosts"

    def make_folders(self) -> None:
        """Make the folders that a container needs before it starts."""
        for folder in (self.base, self.home, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)


def _in_namespace(spec: ContainerSpec) -> list[str]:
    script = [*_UNSHARE[spec.layout], "--", "sh", "-c", _MOUNT_SCRIPT, "container"]
    folders = (spec.scratch, spec.base, spec.home, spec.hosts)
    return [*script, *map(str, folders), *spec.argv]


class Container:
    """A running process in the container layout. Start it from the event loop's thread."""

    def __init__(self, spec: ContainerSpec, log: Path) -> None:
        self.log, self._killed = log, False
        spec.make_folders()
        environment = {**base_environment(spec.home), **spec.environment}
        if spec.layout is LayoutMode.BASE_DIR:
            environment[BASE_DIR_VARIABLE] = str(spec.base)
            argv = list(spec.argv)
        else:
            argv = _in_namespace(spec)
        with log.open("ab") as output:
            self._process = spawn(
                argv, env=environment, cwd=spec.home, stdout=output, stderr=subprocess.STDOUT
            )
        self._limit = watch.add(self._process.pid, spec.memory) if spec.memory else None

    @property
    def session(self) -> int:
        """The session that all its processes are in, unless they made one of their own."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    @property
    def out_of_memory(self) -> bool:
        """Whether it was killed because its processes held more than they may."""
        return self._limit is not None and self._limit.exceeded

    async def wait(self) -> int:
        """The exit code, once there is one; what the process left in its group is killed."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                await _readable(os.pidfd_open(self._process.pid))
        self.kill()
        return self._process.wait()

    async def stop(self, grace_seconds: float) -> int:
        """SIGTERM the whole group, SIGKILL what is left after the grace; the exit code.

        Cancelled, it grants no more time: the caller is ending too, and nobody would come back.
        """
        try:
            if self._process.poll() is None:
                signal_group(self._process, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(self.wait(), grace_seconds)
            self.kill()
            return await self.wait()
        except asyncio.CancelledError:
            self.kill()
            self._process.wait()
            raise

    def kill(self) -> None:
        """SIGKILL the whole group, once: later its number may be another's."""
        if not self._killed:
            signal_group(self._process, signal.SIGKILL)
            self._end_limit()
        self._killed = True

    def _end_limit(self) -> None:
        if self._limit is None:
            return
        watch.remove(self._limit)
        if self._limit.exceeded:
            with self.log.open("a") as log:
                log.write(
                    f"\nThe local cloud has killed this container: its processes held more than "
                    f"{self._limit.limit / GIBIBYTE:.3g} GiB of memory.\n"
                )


async def _readable(descriptor: int) -> None:
    """Wait until a pidfd says that its process has ended; closes it."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def base_environment(home: Path) -> dict[str, str]:
    """What every container has: no variable of the host's is passed on.

    TMPDIR is in the container's folder, so that scratch files leave with it. Output is not
    buffered, so that a client can follow the log.
    """
    python = str(Path(sys.executable).parent)
    return {
        "PATH": f"{python}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def aws_environment(endpoint_url: str, *, region: str, account: str) -> dict[str, str]:
    """How a container reaches AWS, with credentials where a role's would be."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
