"""What every part of the plane stands on: stores, threads, images, and the clock's settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts import DeployError
from infra.sagemaker.containers import aws_environment
from infra.sagemaker.observations import Observations

if TYPE_CHECKING:
    from pathlib import Path

    from infra.images import ImageRegistry
    from infra.sagemaker.alarms import Alarms
    from infra.sagemaker.cloud_metrics import MetricSink
    from infra.sagemaker.containers import LayoutMode
    from infra.sagemaker.documents import DocumentStore
    from infra.sagemaker.logs import LogSink
    from infra.sagemaker.notifications import Topics
    from infra.sagemaker.object_store import ObjectStore
    from infra.sagemaker.threads import Threads


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults that name a source are SageMaker's; tests shorten them.

    Attributes:
        healthy_within: from a container's start to its first 200 from /ping, where its variant
            gives no time of its own (developer guide).
        invocation: for the container to answer /invocations (developer guide).
        training_stop: from SIGTERM to SIGKILL of a training container (developer guide).
        serving_stop: from SIGTERM to SIGKILL of an inference container (developer guide).
        ping: for one answer of /ping (developer guide).
        ping_interval: between two pings of a container in service.
        hung_after: pings in a row without an answer that make a container hung.
        start_poll: between two pings of a container that starts.
        restart_delay: before a container that ended is started again; doubles, up to 30 s, for
            one that ends again without having been healthy.
        wait_for_healthy: that an invocation waits for a container that is being restarted.
        log_interval: between two looks at a log.
        checkpoint_interval: between two mirrorings of /opt/ml/checkpoints.
        capture_interval: that captured data is held before it is written to S3.
        metrics_interval: between two lots of metrics for CloudWatch.
        serverless_start: for a serverless variant's first healthy process (SageMaker's words).
        serverless_idle: without a request, after which a serverless variant's process ends.
        scaling_interval: between two looks at what scalable variants are asked.
        scaling_window: that invocations a minute are counted over.
        alarm_interval: between two looks at the alarms that watch an update.
        upload_retry: before a job's result that S3 refused is offered again; doubles each time.
        shutdown: from SIGTERM to SIGKILL when the plane itself stops.
    """

    healthy_within: float = 240
    invocation: float = 60
    training_stop: float = 120
    serving_stop: float = 30
    ping: float = 2
    ping_interval: float = 5
    hung_after: int = 6
    start_poll: float = 0.1
    restart_delay: float = 0.5
    wait_for_healthy: float = 10
    log_interval: float = 0.5
    checkpoint_interval: float = 5
    capture_interval: float = 60
    metrics_interval: float = 60
    serverless_start: float = 180
    serverless_idle: float = 300
    scaling_interval: float = 5
    scaling_window: float = 60
    alarm_interval: float = 5
    upload_retry: float = 2
    shutdown: float = 3

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if bad := {name: value for name, value in values.items() if value <= 0}:
            raise DeployError(f"timing {bad}: expected numbers above 0")


@dataclass(frozen=True, slots=True)
class PlaneContext:
    """Everything that the plane's parts share. `work` holds the folders of running containers."""

    aws_endpoint_url: str
    region: str
    account: str
    work: Path
    store: DocumentStore
    objects: ObjectStore
    logs: LogSink
    metrics: MetricSink
    topics: Topics
    alarms: Alarms
    images: ImageRegistry
    layout: LayoutMode
    threads: Threads
    log_threads: Threads
    timing: Timing = field(default_factory=Timing)
    observations: Observations = field(default_factory=Observations)

    def aws_environment(self) -> dict[str, str]:
        """How a container reaches this cloud."""
        return aws_environment(self.aws_endpoint_url, region=self.region, account=self.account)
