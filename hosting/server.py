"""One process that serves on a socket: uvicorn, and how it ends without a lost request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from typing import TYPE_CHECKING

import uvicorn

from hosting.app import create_app
from hosting.metrics import Metrics
from hosting.reloading import Watch, reload_when_changed
from hosting.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from starlette.applications import Starlette

    from hosting.environment import Environment
    from hosting.model import Model

DRAIN_SECONDS = 25
"""Requests under way may end within it; SageMaker kills 30 s after SIGTERM."""

RETIRE_SECONDS = 30
"""A retired process ends by then, though a client leaves a connection open without a request."""

BACKLOG = 2048
"""Connections that the kernel keeps for who accepts next."""


class Server(uvicorn.Server):
    """uvicorn's, which shares its socket with other processes and can leave it to them.

    uvicorn accepts as many connections at once as may queue, so that whoever is first would have
    them all: this one takes one at a time.
    """

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            backlog=1,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        super().__init__(config)
        self._retiring = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; the kernel's queue is all the same as long as it may be."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)

    def retire(self) -> None:
        """Accept no connection any more, and end when those that there are have been closed.

        Each is closed behind the answer to its next request, or when it has been idle for as long
        as uvicorn keeps any. Closing idle ones at once would lose the request on its way.
        """
        self._retiring = True
        for server in self.servers:
            server.close()
        self.config.encoded_headers = [*self.config.encoded_headers, (b"connection", b"close")]
        self.server_state.default_headers = self.config.encoded_headers
        asyncio.get_running_loop().call_later(RETIRE_SECONDS, self.end)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end, asked ten times a second."""
        idle = self._retiring and not self.server_state.connections
        return await super().on_tick(counter) or idle

    def end(self) -> None:
        """As SIGTERM: no request is taken any more, those under way are answered."""
        self.should_exit = True


def serve(
    environment: Environment, model: Model, sock: socket.socket, load: Callable[[], Model]
) -> None:
    """Serve in this process alone until SIGTERM, reloading on SIGHUP or a new artifact.

    Args:
        environment: the container's.
        model: loaded.
        sock: bound.
        load: reads the model's folder again.
    """
    service = Service(
        model, Metrics(), decoders=environment.decoders, max_batch=environment.max_batch
    )
    asked, watch = asyncio.Event(), Watch(environment.model_dir)

    @contextlib.asynccontextmanager
    async def reloading(_app: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
        work = reload_when_changed(service, load, watch, asked, environment.reload_seconds)
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()

    app = create_app(service, batch=environment.batch, lifespan=reloading)
    gc.collect()
    gc.freeze()  # what stays for good need not be looked at again: a thirtieth of a request's time
    Server(app).run([sock])
