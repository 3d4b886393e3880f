"""The warm workers of all Lambda functions: re-used, capped, replaced with their function."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING

from infra.local import bundles
from infra.local.lambda_function import FunctionSpec, WorkerFolders
from infra.local.lambda_worker import Result, Worker

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.runtime_api import Invocation

logger = logging.getLogger(__name__)

MAX_WORKERS = 4
"""Workers a function may have at once; further calls wait for one, and are never refused."""

IDLE_SECONDS = 300.0
"""After which an unused worker is ended."""


class _Function:
    """The workers of one version of a function."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(MAX_WORKERS)  # first come, first served
        self.idle: list[Worker] = []
        self.busy: set[Worker] = set()


class FunctionPool:
    """Runs invocations on warm workers; lives on the event loop's thread.

    Args:
        scratch: where bundles are extracted and workers have their folders.
        python: the functions' interpreter.
        endpoint_url: this cloud, as the functions reach it.
    """

    def __init__(self, scratch: Path, python: Path, endpoint_url: str) -> None:
        self._scratch = scratch
        self._python = python
        self._endpoint_url = endpoint_url
        self._functions: dict[tuple[str, str, str, str], _Function] = {}
        self._reaper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to end workers that stay idle."""
        self._reaper = asyncio.create_task(self._end_idle_workers())

    async def stop(self) -> None:
        """End every worker, busy ones too."""
        if self._reaper is not None:
            self._reaper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reaper
        for function in self._functions.values():
            for worker in (*function.idle, *function.busy):
                worker.stop()
            function.idle.clear()

    async def invoke(self, spec: FunctionSpec, invocation: Invocation) -> Result:
        """Run the event on a worker of exactly this spec, waiting for a place if all are taken.

        Raises:
            DeployError: no worker can be started.
            zipfile.BadZipFile: the function's bundle is not a zip.
        """
        key = (spec.account, spec.region, spec.name, spec.version)
        function = self._functions.setdefault(key, _Function())
        async with function.places:
            worker = self._idle_worker(function, spec) or await self._new_worker(spec)
            function.busy.add(worker)
            try:
                return await worker.invoke(invocation)
            finally:
                function.busy.discard(worker)
                if worker.alive:
                    function.idle.append(worker)
                else:
                    worker.stop()

    def forget(self, account: str, region: str, name: str, version: str | None = None) -> None:
        """End the idle workers of a function that was changed or deleted."""
        for key, function in self._functions.items():
            if key[:3] == (account, region, name) and version in (None, key[3]):
                while function.idle:
                    function.idle.pop().stop()

    def _idle_worker(self, function: _Function, spec: FunctionSpec) -> Worker | None:
        while function.idle:
            worker = function.idle.pop()  # the last used: the others may grow idle and end
            if worker.alive and worker.spec == spec:
                return worker
            worker.stop()
        return None

    async def _new_worker(self, spec: FunctionSpec) -> Worker:
        folder = self._scratch / "bundles"
        code, *layers = [
            await asyncio.to_thread(bundles.extract, bundle, folder) for bundle in spec.bundles
        ]
        home = self._scratch / "workers" / uuid.uuid4().hex
        worker = Worker(spec, WorkerFolders(code, tuple(layers), home))
        await worker.start(self._python, self._endpoint_url)
        logger.info("%s: a new worker", spec.name)
        return worker

    async def _end_idle_workers(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            oldest = time.monotonic() - IDLE_SECONDS
            for function in self._functions.values():
                for worker in [w for w in function.idle if w.last_used < oldest or not w.alive]:
                    function.idle.remove(worker)
                    worker.stop()
