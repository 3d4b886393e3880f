"""What the server measures of itself, for Prometheus: requests, times, batches, the queue.

With several worker processes `PROMETHEUS_MULTIPROC_DIR` names a folder before this module is
imported: the library keeps its figures there, and whichever worker is asked tells those of all.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from hosting.environment import METRICS_FOLDER_VARIABLE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PHOTOS = (1, 2, 4, 8, 16, 32, 64, 128)
_OTHER = "other"


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter(
            "snapshelf_requests", "Requests answered.", ["path", "status"], registry=own
        )
        self.request_seconds = Histogram(
            "snapshelf_request_seconds",
            "From the request's headers to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=own,
        )
        self.decode_seconds = Histogram(
            "snapshelf_decode_seconds",
            "Decoding and preparing a photo.",
            buckets=_SECONDS,
            registry=own,
        )
        self.model_seconds = Histogram(
            "snapshelf_model_seconds", "A run of the network.", buckets=_SECONDS, registry=own
        )
        self.batch_photos = Histogram(
            "snapshelf_batch_photos", "Photos of a run.", buckets=_PHOTOS, registry=own
        )
        self.queue = Gauge(
            "snapshelf_queue_photos",
            "Photos that are decoded and wait for the network.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.under_way = Gauge(
            "snapshelf_requests_under_way",
            "Requests that are read, wait or are answered.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self.reloads = Counter(
            "snapshelf_reloads",
            "Models that came while serving: taken over, or refused.",
            ["outcome"],
            registry=own,
        )

    def render(self) -> bytes:
        """All figures in Prometheus' text format; where there are several workers, of all."""
        if METRICS_FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all)  # type: ignore[no-untyped-call]  # the library's omission
        return generate_latest(of_all)


class Measured:
    """ASGI middleware that counts requests and their time.

    Args:
        app: what answers.
        metrics: where to count.
        paths: that are told apart; others, which clients make up, are one.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: tuple[str, ...]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else _OTHER
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._metrics.under_way.track_inprogress():
                await self._app(scope, receive, noting)
        finally:
            self._metrics.requests.labels(path, status).inc()
            self._metrics.request_seconds.labels(path).observe(time.perf_counter() - start)
