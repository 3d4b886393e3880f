"""SageMaker on this machine: its APIs as an ASGI application, its jobs as processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from infra.images import ImageRegistry
from infra.sagemaker.alarms import CloudWatchAlarms
from infra.sagemaker.async_inference import AsyncInference
from infra.sagemaker.cloud_metrics import CloudMetrics, CloudWatchMetrics
from infra.sagemaker.containers import layout_mode
from infra.sagemaker.context import PlaneContext, Timing
from infra.sagemaker.documents import DocumentStore
from infra.sagemaker.endpoint_configs import EndpointConfigs
from infra.sagemaker.endpoints import Endpoints
from infra.sagemaker.forwarding import Forwarder
from infra.sagemaker.invocations import Invocations
from infra.sagemaker.live_endpoints import LiveEndpoints
from infra.sagemaker.logs import CloudWatchLogs
from infra.sagemaker.model_package_groups import ModelPackageGroups
from infra.sagemaker.model_packages import ModelPackages
from infra.sagemaker.models import Models
from infra.sagemaker.notifications import SnsTopics
from infra.sagemaker.object_store import S3ObjectStore
from infra.sagemaker.observations import TRAINING_NAMESPACE, TRANSFORM_NAMESPACE
from infra.sagemaker.protocol import SageMakerApp
from infra.sagemaker.scalable_targets import ScalableTargets
from infra.sagemaker.scaler import Scaler
from infra.sagemaker.service_model import AUTO_SCALING, SAGEMAKER
from infra.sagemaker.shadowing import Shadowing
from infra.sagemaker.tags import Tags
from infra.sagemaker.threads import Threads
from infra.sagemaker.training_jobs import TrainingJobs
from infra.sagemaker.transform_jobs import TransformJobs

if TYPE_CHECKING:
    from pathlib import Path

    from infra.sagemaker.alarms import Alarms
    from infra.sagemaker.cloud_metrics import MetricSink
    from infra.sagemaker.containers import LayoutMode
    from infra.sagemaker.logs import LogSink
    from infra.sagemaker.notifications import Topics
    from infra.sagemaker.object_store import ObjectStore

logger = logging.getLogger(__name__)

STORAGE_POLL = 0.2


class SageMakerPlane:
    """The SageMaker plane.

    Everything happens on the event loop in which `start` is awaited; its thread must live as long
    as the plane, for the kernel ends the containers with it.

    Args:
        aws_endpoint_url: where S3 and CloudWatch Logs are; containers get it as AWS_ENDPOINT_URL.
            It may be the address of the very process that the plane is in, and need not answer yet.
        state_dir: resources and running containers' folders; a second plane needs another one.
        region: in ARNs and in containers' environment.
        account: twelve digits, in ARNs and as the access key (a loopback cloud reads it so).
        images: what can run here.
        objects: S3, or a stand-in.
        logs: CloudWatch Logs, or a stand-in.
        metrics: CloudWatch, or a stand-in.
        topics: SNS, or a stand-in.
        alarms: CloudWatch's, or a stand-in.
        timing: waits and limits.
        layout: how containers get their /opt/ml; by default what the kernel allows.
    """

    def __init__(
        self,
        *,
        aws_endpoint_url: str,
        state_dir: Path,
        region: str = "us-east-1",
        account: str = "000000000000",
        images: ImageRegistry | None = None,
        objects: ObjectStore | None = None,
        logs: LogSink | None = None,
        metrics: MetricSink | None = None,
        topics: Topics | None = None,
        alarms: Alarms | None = None,
        timing: Timing | None = None,
        layout: LayoutMode | None = None,
    ) -> None:
        place = {"region": region, "account": account}
        state = state_dir.resolve()
        self._context = PlaneContext(
            aws_endpoint_url=aws_endpoint_url,
            region=region,
            account=account,
            work=state / "work",
            store=DocumentStore(state, **place),
            objects=objects or S3ObjectStore(aws_endpoint_url, **place),
            logs=logs or CloudWatchLogs(aws_endpoint_url, **place),
            metrics=metrics or CloudWatchMetrics(aws_endpoint_url, **place),
            topics=topics or SnsTopics(aws_endpoint_url, **place),
            alarms=alarms or CloudWatchAlarms(aws_endpoint_url, **place),
            images=images or ImageRegistry(),
            layout=layout or layout_mode(),
            threads=Threads(8, "sagemaker"),
            log_threads=Threads(2, "sagemaker-logs"),
            timing=timing or Timing(),
        )
        self._training_jobs = TrainingJobs(self._context)
        self._transform_jobs = TransformJobs(self._context)
        self._live = LiveEndpoints(self._context)
        jobs = {
            TRAINING_NAMESPACE: self._training_jobs.runs,
            TRANSFORM_NAMESPACE: self._transform_jobs.runs,
        }
        self._metrics = CloudMetrics(self._context, self._live, jobs)
        self._restoring: asyncio.Task[None] | None = None
        parts = (
            self._training_jobs,
            self._transform_jobs,
            Models(self._context),
            ModelPackageGroups(self._context.store),
            ModelPackages(self._context),
            EndpointConfigs(self._context),
            Endpoints(self._context, self._live),
            Tags(self._context.store),
        )
        operations = {
            name: handler for part in parts for name, handler in part.operations().items()
        }
        forwarder = Forwarder(self._context)
        self._asynchronous = AsyncInference(self._context, self._live, forwarder)
        self._scaler = Scaler(self._context, self._live, self._asynchronous)
        self._shadowing = Shadowing(self._context, forwarder)
        invocations = Invocations(self._context, self._live, forwarder, self._shadowing)
        self.app = SageMakerApp(
            {SAGEMAKER: operations, AUTO_SCALING: ScalableTargets(self._context).operations()},
            {"invocations": invocations.invoke, "async-invocations": self._asynchronous.accept},
        )

    async def start(self) -> None:
        """Read the state, and begin to bring back what ran; returns without waiting for that."""
        self._context.store.load()
        self._live.prepare()
        self._asynchronous.restore()
        self._restoring = asyncio.create_task(self._restore())
        self._metrics.start()
        self._scaler.start()
        logger.info("SageMaker plane: %s", self._context.layout.value)

    async def stop(self) -> None:
        """End every container within a few seconds; what ran comes back with the next `start`."""
        if self._restoring:
            self._restoring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restoring
        await self._scaler.close()
        await self._asynchronous.close()
        await self._shadowing.close()
        jobs = (self._training_jobs.runs, self._transform_jobs.runs)
        parts = (self._metrics, *jobs, self._live)
        await asyncio.gather(*(part.close() for part in parts))
        self._context.threads.close()
        self._context.log_threads.close()

    async def _restore(self) -> None:
        """Models and data come from S3, which may begin to answer only after the plane's start."""
        while not await self._context.threads.run(self._context.objects.reachable):  # noqa: ASYNC110 - S3 sends no events
            await asyncio.sleep(STORAGE_POLL)
        await self._live.restore()
        await self._training_jobs.runs.restore()
        await self._transform_jobs.runs.restore()
