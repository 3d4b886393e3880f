"""Endpoint metrics on their way to CloudWatch: invocations, latency, errors, processor, memory."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from infra.sagemaker.cloud_clients import ONCE, cloud_client
from infra.sagemaker.observations import INSTANCES_NAMESPACE, INVOCATIONS_NAMESPACE, metric_data
from infra.sagemaker.process_usage import session_usage

if TYPE_CHECKING:
    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.process_usage import Usage

logger = logging.getLogger(__name__)

MAX_DATA = 1000
"""In one PutMetricData."""

MAX_KEPT = 10_000
"""Kept back while CloudWatch does not answer; beyond it the oldest are left out."""

FINISH_SECONDS = 2
"""For the last data; a CloudWatch that is already gone must not hold up the end."""

MetricData = list[dict[str, Any]]


class MetricSink(Protocol):
    """Where metrics go. The call blocks: make it in a thread."""

    def put(self, namespace: str, data: MetricData) -> bool:
        """Store data, of which there are 1,000 at most; False if they must be offered again."""


class CloudWatchMetrics:
    """CloudWatch, wherever `endpoint_url` says it is."""

    def __init__(self, endpoint_url: str, *, region: str, account: str) -> None:
        self._client: Any = cloud_client(
            "cloudwatch", endpoint_url, ONCE, region=region, account=account
        )

    def put(self, namespace: str, data: MetricData) -> bool:
        """See MetricSink."""
        try:
            self._client.put_metric_data(Namespace=namespace, MetricData=data)
        except (BotoCoreError, ClientError) as error:
            logger.debug("metrics of %s are kept back: %s", namespace, error)
            return False
        return True


class EndpointMetrics:
    """Sends what was observed every so often, in the background."""

    def __init__(self, context: PlaneContext, live: LiveEndpoints) -> None:
        self._context, self._live = context, live
        self._kept: dict[str, MetricData] = {INVOCATIONS_NAMESPACE: [], INSTANCES_NAMESPACE: []}
        self._before: tuple[float, dict[int, Usage]] = (0.0, {})
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="endpoint metrics")

    async def close(self) -> None:
        """Send what there is, once, and end."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        try:
            await asyncio.wait_for(self._publish(), FINISH_SECONDS)
        except TimeoutError:
            logger.warning("the last minute's metrics did not reach CloudWatch")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._context.timing.metrics_interval)
            await self._publish()

    async def _publish(self) -> None:
        asked = self._context.observations.variants()
        self._keep(INVOCATIONS_NAMESPACE, self._context.observations.take())
        self._keep(INSTANCES_NAMESPACE, await self._utilisation(asked))
        for namespace, data in self._kept.items():
            while data and await self._send(namespace, data[:MAX_DATA]):
                del data[:MAX_DATA]

    async def _send(self, namespace: str, data: MetricData) -> bool:
        return await self._context.log_threads.run(self._context.metrics.put, namespace, data)

    def _keep(self, namespace: str, data: MetricData) -> None:
        kept = self._kept[namespace]
        kept += data
        if (surplus := len(kept) - MAX_KEPT) > 0:
            logger.warning("%d metrics were left out: CloudWatch does not answer", surplus)
            del kept[:surplus]

    async def _utilisation(self, asked: set[tuple[str, str]]) -> MetricData:
        """Of each variant that was asked, one value an instance: per cent of a core, of memory."""
        sessions = self._live.sessions()
        wanted = {pid for pids in sessions.values() for pid in pids}
        if not wanted:
            return []
        (then, before), moment = self._before, asyncio.get_running_loop().time()
        usage = await self._context.log_threads.run(session_usage, wanted)
        self._before = (moment, usage)
        data: MetricData = []
        for endpoint, variant in asked & sessions.keys():
            pids = sessions[endpoint, variant]
            present = [pid for pid in pids if pid in usage]
            known = [pid for pid in present if pid in before]
            busy = Counter(_percent_of_core(usage[p], before[p], moment - then) for p in known)
            full = Counter(100 * usage[pid].memory for pid in present)
            data += metric_data("CPUUtilization", endpoint, variant, busy, "Percent")
            data += metric_data("MemoryUtilization", endpoint, variant, full, "Percent")
        return data


def _percent_of_core(now: Usage, before: Usage, seconds: float) -> float:
    return 100 * max(0.0, now.cpu_seconds - before.cpu_seconds) / seconds
