"""Metrics on their way to CloudWatch: of endpoints, and of training and transform jobs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from infra.sagemaker.cloud_clients import ONCE, cloud_client
from infra.sagemaker.observations import INSTANCES_NAMESPACE, variant_dimensions
from infra.sagemaker.utilisation import Hosts, Utilisation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.sagemaker.context import PlaneContext
    from infra.sagemaker.job_runs import JobRuns
    from infra.sagemaker.live_endpoints import LiveEndpoints
    from infra.sagemaker.observations import MetricData

logger = logging.getLogger(__name__)

MAX_DATA = 1000
"""In one PutMetricData."""

MAX_KEPT = 10_000
"""Of each namespace while CloudWatch does not answer; beyond it the oldest are left out."""

FINISH_SECONDS = 2
"""For the last data; a CloudWatch that is already gone must not hold up the end."""


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


class CloudMetrics:
    """Sends what was observed every so often, in the background.

    Args:
        context: of the plane.
        live: the endpoints.
        jobs: the runs of each kind of job, by the namespace of its metrics.
    """

    def __init__(
        self, context: PlaneContext, live: LiveEndpoints, jobs: Mapping[str, JobRuns]
    ) -> None:
        self._context, self._live, self._jobs = context, live, jobs
        self._utilisation = Utilisation()
        self._kept: dict[str, MetricData] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="metrics")

    async def close(self) -> None:
        """Send what there is, once, and end."""
        task, self._task = self._task, None
        if task is None:  # it has been closed already
            return
        task.cancel()
        await asyncio.wait({task})
        try:
            await asyncio.wait_for(self._publish(), FINISH_SECONDS)
        except TimeoutError:
            logger.warning("the last minute's metrics did not reach CloudWatch")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._context.timing.metrics_interval)
            await self._publish()

    async def _publish(self) -> None:
        hosts = self._hosts()
        self._keep(self._context.observations.take())
        self._keep(await self._context.log_threads.run(self._utilisation.look, hosts))
        for namespace, data in self._kept.items():
            while data and await self._send(namespace, data[:MAX_DATA]):
                del data[:MAX_DATA]

    async def _send(self, namespace: str, data: MetricData) -> bool:
        return await self._context.log_threads.run(self._context.metrics.put, namespace, data)

    def _hosts(self) -> list[Hosts]:
        """Every running container; those of an idle endpoint are not told of: they tell nothing."""
        asked = self._context.observations.variants()
        variants = [
            Hosts(INSTANCES_NAMESPACE, variant_dimensions(*names), pids, told=names in asked)
            for names, pids in self._live.sessions().items()
        ]
        jobs = [
            Hosts(namespace, {"Host": host}, [pid])
            for namespace, runs in self._jobs.items()
            for host, pid in runs.sessions().items()
        ]
        return variants + jobs

    def _keep(self, news: Mapping[str, MetricData]) -> None:
        for namespace, data in news.items():
            kept = self._kept.setdefault(namespace, [])
            kept += data
            if (surplus := len(kept) - MAX_KEPT) > 0:
                logger.warning("%d metrics were left out: CloudWatch does not answer", surplus)
                del kept[:surplus]
