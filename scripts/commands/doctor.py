"""`snapshelf doctor`: what this machine has and lacks, with the mend."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import httpx

from contracts import DeployError
from infra.local.settings import DEFAULT_HOST, DEFAULT_PORT, lambda_python
from infra.sagemaker.containers import LayoutMode, layout_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIGABYTE = 10**9
_MEMORY_BYTES = 3 * _GIGABYTE  # training ResNet-34 at batch 32 beside an endpoint
_DISK_BYTES = 2 * _GIGABYTE  # records, artifacts and the local cloud's copies of both
_IMPORT_SECONDS = 120
_PROBE_SECONDS = 2
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and what to do where that is not enough."""

    name: str
    found: str
    mend: str = ""
    _: KW_ONLY
    passed: bool
    required: bool


@click.command("doctor")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port that the local cloud is to use.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def doctor_command(*, port: int, as_json: bool) -> None:
    """Say what this machine has and lacks for Snapshelf, and how to mend it.

    The exit code is 1 if something is lacking that nothing works without.
    """
    checks = []
    for check in _checks(port):
        checks.append(check)
        if not as_json:
            _print_check(check)
    sound = all(check.passed for check in checks if check.required)
    if as_json:
        print(json.dumps({"sound": sound, "checks": [asdict(check) for check in checks]}))
    if not sound:
        click.get_current_context().exit(1)


def _print_check(check: Check) -> None:
    mark = "ok  " if check.passed else "LACK" if check.required else "note"
    print(f"{mark}  {check.name:<16} {check.found}")
    if not check.passed:
        print(f"      {'':<16} -> {check.mend}")


def _checks(port: int) -> Iterator[Check]:
    yield _python()
    yield _mxnet()
    yield _cores()
    yield _memory()
    yield _disk(Path.cwd())
    yield _lambda_runtime()
    yield _program("setpriv", "install util-linux 2.33 or newer", required=True)
    yield _program("unshare", "install util-linux", required=False)
    yield _layout()
    yield _port(port)
    yield _program("apt-get", "pass --photos DIR to scripts/demo", required=False)
    yield _browser()


def _python() -> Check:
    passed = sys.version_info[:2] == (3, 11)
    mend = "install Python 3.11 (MXNet 1.9.1 needs it), then run scripts/install"
    return Check("Python", platform.python_version(), mend, passed=passed, required=True)


def _mxnet() -> Check:
    """In a process of its own: a library that does not fit can end a process without a word."""
    program = "import mxnet; print(mxnet.__version__)"
    try:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        found, passed = f"no import within {_IMPORT_SECONDS} s", False
    else:
        passed = ended.returncode == 0
        lines = (ended.stdout if passed else ended.stderr).strip().splitlines()
        found = lines[-1] if lines else f"import ended with code {ended.returncode}"
    mend = "run scripts/install on Linux x86-64"
    return Check("MXNet", found, mend, passed=passed, required=True)


def _cores() -> Check:
    cores = len(os.sched_getaffinity(0))
    mend = "two or more make training and serving side by side bearable"
    return Check("processor cores", str(cores), mend, passed=cores > 1, required=False)


def _memory() -> Check:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    mend = f"{_MEMORY_BYTES / _GIGABYTE:.0f} GB or more; train with a smaller mini_batch_size"
    found = f"{size / _GIGABYTE:.1f} GB"
    return Check("memory", found, mend, passed=size >= _MEMORY_BYTES, required=False)


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    mend = f"free {_DISK_BYTES / _GIGABYTE:.0f} GB where you work"
    found = f"{free / _GIGABYTE:.1f} GB free here"
    return Check("disk", found, mend, passed=free >= _DISK_BYTES, required=True)


def _lambda_runtime() -> Check:
    name = "Lambda runtime"
    try:
        python = lambda_python(os.environ)
    except DeployError as error:
        return Check(name, error.message, error.hint, passed=False, required=True)
    return Check(name, _relative(python), passed=True, required=True)


def _relative(path: Path) -> str:
    prefix = Path(sys.prefix)
    return str(path.relative_to(prefix)) if path.is_relative_to(prefix) else str(path)


def _program(name: str, mend: str, *, required: bool) -> Check:
    path = shutil.which(name)
    return Check(name, path or "not found", mend, passed=path is not None, required=required)


def _layout() -> Check:
    mode = layout_mode()
    mend = "allow unprivileged user namespaces; containers work without, each in its own folder"
    private = mode is not LayoutMode.BASE_DIR
    return Check("containers", mode.value, mend, passed=private, required=False)


def _port(port: int) -> Check:
    name = f"port {port}"
    mend = "stop what listens there, or pass another --port to `snapshelf up`"
    with socket.socket() as probe:
        probe.settimeout(_PROBE_SECONDS)
        if probe.connect_ex((DEFAULT_HOST, port)):
            return Check(name, "free", passed=True, required=False)
    from infra.local.routes import HEALTH_PATH  # brings MiniStack, a second that is rarely needed

    try:
        answer = httpx.get(f"http://{DEFAULT_HOST}:{port}{HEALTH_PATH}", timeout=_PROBE_SECONDS)
        ours = answer.is_success
    except httpx.HTTPError:
        ours = False
    found = "a local cloud of ours" if ours else "taken by another program"
    return Check(name, found, mend, passed=ours, required=False)


def _browser() -> Check:
    caches = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache/ms-playwright"))
    installed = sorted(caches.glob("chromium*")) if caches.is_dir() else []
    found = next(filter(None, map(shutil.which, _BROWSERS)), None) or next(
        (path.name for path in installed), None
    )
    mend = "only the browser tests need it; scripts/test installs it"
    return Check("Chromium", found or "not found", mend, passed=found is not None, required=False)
