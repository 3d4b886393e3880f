"""One warm Lambda worker: a process of the deployed bundle under AWS's own awslambdaric."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import LAMBDA_PAYLOAD_BYTES
from infra import processes
from infra.local.runtime_api import Invocation, Outcome, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

_INIT_SECONDS = 10.0
"""Lambda's limit for a function to load (or the function's timeout, where that is longer)."""

_LARGEST_LINE = 256 * 1024
"""CloudWatch Logs' largest event, in bytes."""

_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """All that decides what a worker of the function is; another spec needs another worker.

    Attributes:
        timeout: seconds.
        memory: megabytes.
        bundles: the zips, the function's first, then its layers'.
    """

    name: str
    version: str
    account: str
    region: str
    runtime: str
    handler: str
    timeout: int
    memory: int
    variables: tuple[tuple[str, str], ...]
    bundles: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class WorkerFolders:
    """Where a worker finds its code and keeps its files.

    Attributes:
        code: the function's bundle, extracted: /var/task.
        layers: the layers, extracted: /opt.
        home: the worker's own folder, removed at its end.
    """

    code: Path
    layers: tuple[Path, ...]
    home: Path


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation came to.

    Attributes:
        payload: the function's answer, or its error, as JSON.
        failed: the payload is an error.
        log: (milliseconds since the epoch, line), with Lambda's START, END and REPORT lines.
        log_stream: the worker's stream in /aws/lambda/<name>.
    """

    payload: bytes
    failed: bool
    log: tuple[tuple[int, str], ...]
    log_stream: str


class Worker:
    """A process that serves one invocation at a time, until it is stopped or fails.

    Made and used on the event loop's thread alone, which outlives it: the kernel ends the process
    with the thread that started it.
    """

    def __init__(self, spec: FunctionSpec, folders: WorkerFolders) -> None:
        self.spec = spec
        self.last_used = time.monotonic()
        self._folders = folders
        self._started = time.perf_counter()
        self._init_ms: float | None = None
        self._lines: list[tuple[int, str]] = []
        self._rest = b""
        self._output = -1
        self._api = RuntimeApi(self._read_output)
        self._exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        today = datetime.now(UTC).strftime("%Y/%m/%d")
        self.log_stream = f"{today}/[{spec.version}]{uuid.uuid4().hex}"

    async def start(self, python: Path, endpoint_url: str) -> None:
        """Start the process; it loads the function while the first event is on its way.

        Raises:
            DeployError: the interpreter or setpriv is missing.
        """
        loop = asyncio.get_running_loop()
        address = await self._api.listen()
        (self._folders.home / "tmp").mkdir(parents=True)
        self._output, write_end = os.pipe()
        try:
            self._process = processes.spawn(
                [str(python), "-m", "awslambdaric", self.spec.handler],
                env=worker_environment(
                    self.spec, self._folders, address, endpoint_url, self.log_stream
                ),
                cwd=self._folders.code,
                stdout=write_end,
            )
        except BaseException:
            os.close(self._output)
            self._api.close()
            raise
        finally:
            os.close(write_end)
        os.set_blocking(self._output, False)
        loop.add_reader(self._output, self._read_output)
        self._exit_watch = os.pidfd_open(self._process.pid)
        loop.add_reader(self._exit_watch, self._on_exit)

    @property
    def alive(self) -> bool:
        """Whether the worker can take another event."""
        return not self._exited.done()

    async def invoke(self, invocation: Invocation) -> Result:
        """Run one event to its end: answer, error, crash or timeout."""
        request_id = invocation.request_id
        cold = self._init_ms is None
        self._log(f"START RequestId: {request_id} Version: {self.spec.version}")
        outcome = await self._loaded(request_id) if cold else None
        begin = time.perf_counter()
        if outcome is None:
            deadline = int((time.time() + self.spec.timeout) * 1000)
            self._api.send(invocation, deadline)
            outcome = await self._outcome_of(self._api.outcome, self.spec.timeout, request_id)
        self._read_output()
        self._log_end(request_id, (time.perf_counter() - begin) * 1000, cold=cold)
        log, self._lines = tuple(self._lines), []
        self.last_used = time.monotonic()
        return Result(outcome.payload, outcome.failed, log, self.log_stream)

    def stop(self) -> None:
        """Kill the process with all that it started, and remove its folder."""
        if self._output < 0:
            return
        self._on_exit()
        processes.stop(self._process, grace_seconds=0)
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)
        self._output = -1
        self._api.close()
        shutil.rmtree(self._folders.home, ignore_errors=True)

    async def _loaded(self, request_id: str) -> Outcome | None:
        """None once the function is loaded, else why it cannot be."""
        seconds = max(_INIT_SECONDS, self.spec.timeout)
        waits: set[asyncio.Future[Any]] = {self._api.ready, self._api.outcome, self._exited}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._api.ready.done():
            self._init_ms = (time.perf_counter() - self._started) * 1000
            return None
        return await self._outcome_of(self._api.outcome, 0, request_id)

    async def _outcome_of(
        self, answer: asyncio.Future[Outcome], seconds: float, request_id: str
    ) -> Outcome:
        waits: set[asyncio.Future[Any]] = {answer, self._exited}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return _within_limit(answer.result())
        if self._exited.done():
            reason = _exit_reason(self._process.wait())
            self._log(f"RequestId: {request_id} Error: Runtime exited with error: {reason}")
            message = f"RequestId: {request_id} Error: Runtime exited with error: {reason}"
            return _failure("Runtime.ExitError", message)
        text = f"Task timed out after {self.spec.timeout:.2f} seconds"
        self._log(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {text}")
        self._on_exit()  # whoever holds this worker sees that it is of no more use
        return _failure("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}")

    def _on_exit(self) -> None:
        if not self._exited.done():
            self._exited.set_result(None)
            asyncio.get_running_loop().remove_reader(self._exit_watch)
            os.close(self._exit_watch)

    def _read_output(self) -> None:
        """Take what the process has printed until now; the pipe never fills."""
        while self._output >= 0:
            try:
                part = os.read(self._output, 65_536)
            except BlockingIOError:
                break
            if not part:  # every process that could write has ended
                asyncio.get_running_loop().remove_reader(self._output)
                break
            *lines, self._rest = (self._rest + part).split(b"\n")
            if len(self._rest) > _LARGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._log(line[:_LARGEST_LINE].decode("utf-8", "replace").replace("\r", "\n"))

    def _log(self, line: str) -> None:
        self._lines.append((time.time_ns() // 1_000_000, line))

    def _log_end(self, request_id: str, milliseconds: float, *, cold: bool) -> None:
        if self._rest:
            self._log(self._rest.decode("utf-8", "replace"))
            self._rest = b""
        init = f"\tInit Duration: {self._init_ms:.2f} ms" if cold and self._init_ms else ""
        self._log(f"END RequestId: {request_id}")
        self._log(
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms"
            f"\tBilled Duration: {int(milliseconds) + 1} ms\tMemory Size: {self.spec.memory} MB"
            f"\tMax Memory Used: {_peak_megabytes(self._process.pid)} MB{init}"
        )


def worker_environment(
    spec: FunctionSpec,
    folders: WorkerFolders,
    runtime_api: str,
    endpoint_url: str,
    log_stream: str,
) -> Mapping[str, str]:
    """The worker's whole environment: the function's variables and Lambda's, none of the host's.

    Source: AWS Lambda developer guide, *Defined runtime environment variables*. The function's own
    AWS_ENDPOINT_URL wins, Lambda's reserved names do not yield.
    """
    layers = [p for layer in folders.layers for p in (layer / "python",) if p.is_dir()]
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        **dict(spec.variables),
        "PATH": _PATH,
        "HOME": str(folders.home),
        "TMPDIR": str(folders.home / "tmp"),
        "PYTHONPATH": os.pathsep.join(str(path) for path in layers),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_ACCESS_KEY_ID": spec.account,  # by which the cloud knows the account
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAMBDA_TASK_ROOT": str(folders.code),
        "_HANDLER": spec.handler,
    }


def _within_limit(outcome: Outcome) -> Outcome:
    if outcome.size <= LAMBDA_PAYLOAD_BYTES:
        return outcome
    return _failure(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({outcome.size} bytes) exceeded maximum allowed payload size"
        f" ({LAMBDA_PAYLOAD_BYTES} bytes).",
    )


def _failure(error_type: str, message: str) -> Outcome:
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Outcome(payload, failed=True, size=len(payload))


def _exit_reason(code: int) -> str:
    """As Lambda words it; negative codes are Python's for a signal."""
    if code < 0:
        return f"signal: {signal.strsignal(-code) or -code}".lower()
    return f"exit status {code}"


def _peak_megabytes(pid: int) -> int:
    """The process's largest resident size, 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) // 1024 if peaks else 0
