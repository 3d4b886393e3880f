"""The local cloud's process: binds the port, brings the parts up in order, and takes them down."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import importlib.metadata
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn

from contracts import DeployError
from infra.local import record
from infra.local.settings import ACCOUNT, REGION, CloudSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 2
"""How long requests under way may take once the cloud is to stop."""

_PLANE_STOP_SECONDS = 6.0

_IDLE_SECONDS = 75
"""How long an idle connection stays open: boto3 goes on with its own after a pause."""


class Plane(Protocol):
    """What the cloud asks of the SageMaker plane."""

    app: Any

    async def start(self) -> None:
        """Bring back what ran, once the rest of the cloud answers."""

    async def stop(self) -> None:
        """End every job and endpoint process."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the parts go down in our order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: CloudSettings) -> None:
    """Serve until SIGTERM or SIGINT. The process's environment becomes the cloud's own.

    Everything is saved and stopped on return, but for threads of MiniStack's that may still wait.

    Raises:
        DeployError: the port or the state folder is taken.
    """
    listener = bind(settings.host, settings.port)
    settings = dataclasses.replace(settings, port=listener.getsockname()[1])
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with listener, _locked(settings):
        settings.make_folders()
        environment = settings.environment(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        _run(_serve(settings, listener))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, but for the threads of the executor, which may wait for an hour.

    MiniStack has one for each custom resource of a stack that has not answered yet.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serving)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        DeployError: the address is taken, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY where the protocol is named; without it answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise DeployError(
            f"{host}:{port}: the cloud cannot listen there ({error.strerror})",
            hint="end the program that holds the port, or pass another --port",
        ) from error
    return listener


@contextlib.contextmanager
def _locked(settings: CloudSettings) -> Iterator[None]:
    """Hold the state folder: two clouds on one would overwrite each other's state."""
    with (settings.state / "cloud.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployError(
                f"{settings.state}: another local cloud runs on this state",
                hint="stop it with `snapshelf down`, or pass another --state",
            ) from error
        yield


async def _serve(settings: CloudSettings, listener: socket.socket) -> None:
    # MiniStack reads the environment as it is imported, and loads Docker's client where there is
    # one: half a second for what this cloud never uses.
    sys.modules.setdefault("docker", None)  # type: ignore[arg-type]
    from ministack import app as ministack

    from infra.local import adapter
    from infra.local.lambda_pool import FunctionPool
    from infra.local.routes import PLANE_SERVICES, CloudApp
    from infra.local.saving import StateSaver

    loop = asyncio.get_running_loop()
    pool = FunctionPool(settings.scratch, settings.lambda_python, settings.endpoint_url)
    adapter.install(pool, loop)
    plane = make_plane(settings)
    saver = StateSaver()
    began, ready = time.monotonic(), asyncio.Event()

    def health() -> dict[str, Any]:
        return {
            "status": "running" if ready.is_set() else "starting",
            "version": importlib.metadata.version("snapshelf"),
            "uptime": round(time.monotonic() - began, 3),
            "services": dict.fromkeys([*ministack.SERVICE_HANDLERS, *PLANE_SERVICES], "available"),
        }

    server = _Server(
        uvicorn.Config(
            CloudApp(plane.app, saver, health),
            lifespan="on",
            http="httptools",
            server_header=False,
            date_header=False,  # MiniStack sends one
            access_log=False,
            timeout_keep_alive=_IDLE_SECONDS,
            log_config=None,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await _started(server, serving)
        pool.start()
        saver.start()
        await plane.start()
        ready.set()
        record.write(settings)
        logger.info("the local cloud answers at %s", settings.endpoint_url)
        await asyncio.wait(
            {asyncio.create_task(stop.wait()), serving}, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        record.remove(settings)
        await _stop_plane(plane)
        await pool.stop()
        await saver.stop()
        server.should_exit = True
        await serving


async def _started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    while not server.started:
        if serving.done():
            serving.result()
            raise DeployError("MiniStack did not start", hint="read cloud.log in the state folder")
        await asyncio.sleep(0.01)


async def _stop_plane(plane: Plane) -> None:
    stopping = asyncio.ensure_future(plane.stop())
    done, _ = await asyncio.wait({stopping}, timeout=_PLANE_STOP_SECONDS)
    if not done:
        stopping.cancel()
        logger.warning("the SageMaker plane did not stop in time; its processes end with the cloud")
    elif stopping.exception() is not None:
        logger.error("the SageMaker plane failed to stop", exc_info=stopping.exception())


def make_plane(settings: CloudSettings) -> Plane:
    """The SageMaker plane of this cloud."""
    from infra.sagemaker.plane import SageMakerPlane

    plane: Plane = SageMakerPlane(
        aws_endpoint_url=settings.endpoint_url,
        state_dir=settings.plane_state,
        region=REGION,
        account=ACCOUNT,
    )
    return plane
