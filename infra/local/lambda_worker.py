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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts import LAMBDA_PAYLOAD_BYTES
from infra import processes
from infra.local.lambda_function import FunctionSpec, WorkerFolders, worker_environment
from infra.local.lambda_log import LogLine, WorkerLog
from infra.local.runtime_api import Invocation, Outcome, RuntimeApi
from infra.memory import MEBIBYTE, watch

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY = "Runtime.OutOfMemory"
"""Lambda's type of error for a function that held more than its MemorySize."""

_INIT_SECONDS = 10.0
"""Lambda's limit for a function to load (or the function's timeout, where that is longer)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation came to.

    Attributes:
        payload: the function's answer, or its error, as JSON.
        failed: the payload is an error.
        log: what was printed, with Lambda's START, END and REPORT lines.
        log_stream: the worker's stream in /aws/lambda/<name>.
    """

    payload: bytes
    failed: bool
    log: tuple[LogLine, ...]
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
        self._log = WorkerLog()
        self._api = RuntimeApi(self._log.read)
        self._stopped = False
        self._exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        today = datetime.now(UTC).strftime("%Y/%m/%d")
        self.log_stream = f"{today}/[{spec.version}]{uuid.uuid4().hex}"

    async def start(self, python: Path, endpoint_url: str) -> None:
        """Start the process; it loads the function while the first event is on its way.

        Raises:
            DeployError: the interpreter or setpriv is missing.
        """
        address = await self._api.listen()
        (self._folders.home / "tmp").mkdir(parents=True)
        environment = worker_environment(
            self.spec, self._folders, address, endpoint_url, self.log_stream
        )
        try:
            self._process = processes.spawn(
                [str(python), "-m", "awslambdaric", self.spec.handler],
                env=environment,
                cwd=self._folders.code,
                stdout=self._log.write_end,
            )
        except BaseException:
            self._release()
            raise
        finally:
            os.close(self._log.write_end)
        self._limit = watch.add(self._process.pid, self.spec.memory * MEBIBYTE)
        self._exit_watch = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._exit_watch, self._retire)

    @property
    def alive(self) -> bool:
        """Whether the worker can take another event."""
        return not self._exited.done()

    async def invoke(self, invocation: Invocation) -> Result:
        """Run one event to its end: answer, error, crash or timeout."""
        request_id = invocation.request_id
        cold = self._init_ms is None
        self._log.write(f"START RequestId: {request_id} Version: {self.spec.version}")
        outcome = await self._load(request_id) if cold else None
        begin = time.perf_counter()
        if outcome is None:
            deadline = int((time.time() + self.spec.timeout) * 1000)
            self._api.send(invocation, deadline)
            outcome = await self._outcome_of(self._api.outcome, self.spec.timeout, request_id)
        self._log.end_output()
        self._report(request_id, (time.perf_counter() - begin) * 1000, cold=cold)
        self.last_used = time.monotonic()
        return Result(outcome.payload, outcome.failed, self._log.take(), self.log_stream)

    def stop(self) -> None:
        """Kill the process with all that it started, and remove its folder; once is enough."""
        if self._stopped:
            return
        self._stopped = True
        self._retire()
        watch.remove(self._limit)
        processes.stop(self._process, grace_seconds=0)
        self._release()

    async def _load(self, request_id: str) -> Outcome | None:
        """None once the function is loaded, else why it cannot be."""
        seconds = max(_INIT_SECONDS, self.spec.timeout)
        waits: set[asyncio.Future[Any]] = {self._api.ready, self._api.outcome, self._exited}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._api.ready.done():
            self._init_ms = (time.perf_counter() - self._started) * 1000
            return None
        outcome = await self._outcome_of(self._api.outcome, 0, request_id)
        self._retire()
        return outcome

    async def _outcome_of(
        self, answer: asyncio.Future[Outcome], seconds: float, request_id: str
    ) -> Outcome:
        waits: set[asyncio.Future[Any]] = {answer, self._exited}
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return _within_limit(answer.result())
        if self._exited.done():
            reason = _exit_reason(self._process.wait())
            message = f"RequestId: {request_id} Error: Runtime exited with error: {reason}"
            self._log.write(message)
            return _failure(self._exit_error(), message)
        text = f"Task timed out after {self.spec.timeout:.2f} seconds"
        self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {text}")
        self._retire()
        return _failure("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}")

    def _exit_error(self) -> str:
        """Lambda's type of error for a runtime that has ended."""
        return _OUT_OF_MEMORY if self._limit.exceeded else "Runtime.ExitError"

    def _retire(self) -> None:
        """No more events for this worker: it has exited, hangs or cannot load."""
        if not self._exited.done():
            self._exited.set_result(None)
            asyncio.get_running_loop().remove_reader(self._exit_watch)
            os.close(self._exit_watch)

    def _release(self) -> None:
        self._log.close()
        self._api.close()
        shutil.rmtree(self._folders.home, ignore_errors=True)

    def _report(self, request_id: str, milliseconds: float, *, cold: bool) -> None:
        init = f"\tInit Duration: {self._init_ms:.2f} ms" if cold and self._init_ms else ""
        used, status = _peak_megabytes(self._process.pid), ""
        if self._limit.exceeded:
            used, status = self.spec.memory, f"\tStatus: error\tError Type: {_OUT_OF_MEMORY}"
        self._log.write(f"END RequestId: {request_id}")
        self._log.write(
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms"
            f"\tBilled Duration: {int(milliseconds) + 1} ms\tMemory Size: {self.spec.memory} MB"
            f"\tMax Memory Used: {used} MB{init}{status}"
        )


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
