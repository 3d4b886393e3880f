"""Asynchronous inference: requests wait in a queue on disk, and their answers go to S3."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.sagemaker.async_requests import async_request, expires_at
from infra.sagemaker.async_work import AsyncWork
from infra.sagemaker.connections import Reply
from infra.sagemaker.documents import ASYNC_REQUEST, Document
from infra.sagemaker.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.deployments import Deployment
    from infra.sagemaker.forwarding import Forwarder
    from infra.sagemaker.live_endpoints import LiveEndpoints

logger = logging.getLogger(__name__)

OUTPUT_LOCATION = "x-Amzn-SageMaker-OutputLocation"
FAILURE_LOCATION = "x-Amzn-SageMaker-FailureLocation"

DEFAULT_CONCURRENCY = 4
"""Requests at a time for each instance, where ClientConfig says nothing ("an optimal value")."""

QUEUE_POLL = 0.2
"""Seconds between two looks at a queue whose endpoint has no room: instances come and go."""


class AsyncInference:
    """The queues of all endpoints.

    A request is on disk before it is accepted, and until its answer is in S3: after a restart of
    the plane, those that were waiting or under way are answered then, oldest first.
    """

    def __init__(self, context: PlaneContext, live: LiveEndpoints, forwarder: Forwarder) -> None:
        self._context, self._live = context, live
        self._work = AsyncWork(context, forwarder)
        self._queues: dict[str, _Queue] = {}

    def restore(self) -> None:
        """Take up the requests of before the plane's end."""
        shutil.rmtree(self._context.work / ASYNC_REQUEST, ignore_errors=True)
        documents = self._context.store.all(ASYNC_REQUEST)
        for document in sorted(documents, key=lambda one: one["Received"]):
            self._enqueue(document)

    async def close(self) -> None:
        """Leave what is waiting or under way to the next start."""
        for queue in self._queues.values():
            queue.task.cancel()
        await asyncio.gather(
            *(queue.task for queue in self._queues.values()), return_exceptions=True
        )

    async def accept(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Put a request into its endpoint's queue.

        Args:
            endpoint: its name.
            headers: of the request, names in lower case.
            body: the payload, where it is not in S3.

        Raises:
            ValidationError: the request breaks the service model, or the endpoint answers at once.
        """
        deployment = await self._live.find(endpoint)
        config = deployment.spec.asynchronous
        if config is None:
            raise ValidationError(
                f"Endpoint {endpoint} of account {self._context.account} is not asynchronous: "
                "call InvokeEndpoint, or give its configuration an AsyncInferenceConfig."
            )
        document = async_request(endpoint, config, headers, body)
        self._context.store.put(ASYNC_REQUEST, document["Id"], document)
        self._enqueue(document)
        locations = {
            OUTPUT_LOCATION: document["OutputLocation"],
            FAILURE_LOCATION: document["FailureLocation"],
        }
        named = {header: uri for header, uri in locations.items() if uri is not None}
        content = json.dumps({"InferenceId": document["InferenceId"]}).encode()
        return Reply(HTTPStatus.ACCEPTED, named | {"content-type": "application/json"}, content)

    def backlog(self, endpoint: str) -> int:
        """Requests that wait or are under way (ApproximateBacklogSize)."""
        queue = self._queues.get(endpoint)
        return len(queue.waiting) + len(queue.running) if queue else 0

    def _enqueue(self, document: Document) -> None:
        endpoint = document["EndpointName"]
        queue = self._queues.get(endpoint)
        if queue is None:
            queue = self._queues[endpoint] = _Queue()
            queue.task = asyncio.create_task(self._empty(endpoint, queue), name=f"queue {endpoint}")
        queue.waiting.append(document)
        queue.changed.set()

    async def _empty(self, endpoint: str, queue: _Queue) -> None:
        """Hand requests on, oldest first, for as long as there are any."""
        try:
            while queue.waiting or queue.running:
                queue.changed.clear()
                self._drop_if_gone(endpoint, queue)
                self._begin_expired(queue)
                self._begin_next(endpoint, queue)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(QUEUE_POLL):
                        await queue.changed.wait()
        finally:
            self._queues.pop(endpoint, None)
            for task in queue.running:
                task.cancel()
            await asyncio.gather(*queue.running, return_exceptions=True)

    def _begin_next(self, endpoint: str, queue: _Queue) -> None:
        deployment = self._live.get(endpoint)
        if deployment is None or deployment.spec.asynchronous is None:
            return
        while queue.waiting and len(queue.running) < _room(deployment):
            queue.begin(self._work.answer(deployment, queue.waiting.popleft()))

    def _begin_expired(self, queue: _Queue) -> None:
        moment = time.time()
        expired = [one for one in queue.waiting if expires_at(one) < moment]
        for document in expired:
            queue.waiting.remove(document)
            queue.begin(self._work.expire(document))

    def _drop_if_gone(self, endpoint: str, queue: _Queue) -> None:
        """The queue goes with its endpoint, as in AWS."""
        if self._live.status(endpoint) not in (None, "Deleting", "Failed") or not queue.waiting:
            return
        logger.warning("%d requests to %s go with it", len(queue.waiting), endpoint)
        for document in queue.waiting:
            self._context.store.delete(ASYNC_REQUEST, document["Id"])
        queue.waiting.clear()


class _Queue:
    """One endpoint's requests: those that wait, and the tasks that answer the others."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.waiting: deque[Document] = deque()
        self.running: set[asyncio.Task[None]] = set()
        self.changed = asyncio.Event()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.changed.set()


def _room(deployment: Deployment) -> int:
    """Requests that the deployment's instances may be given at a time."""
    config = deployment.spec.asynchronous or {}
    each: int = config.get("ClientConfig", {}).get(
        "MaxConcurrentInvocationsPerInstance", DEFAULT_CONCURRENCY
    )
    return each * sum(variant.healthy_count for variant in deployment.variants.values())
