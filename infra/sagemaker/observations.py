"""What was seen of invocations and in training logs, until it goes to CloudWatch.

Names, units and meanings are those of the developer guide (*Monitor with Amazon CloudWatch*): each
request counts 1 towards Invocations, and 0 or 1 towards the errors; latencies are microseconds.
What a training job's MetricDefinitions find in its log bears the job's name (the SDK's
TrainingJobAnalytics asks for it so).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.sagemaker.documents import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INVOCATIONS_NAMESPACE = "AWS/SageMaker"
INSTANCES_NAMESPACE = "/aws/sagemaker/Endpoints"
TRAINING_NAMESPACE = "/aws/sagemaker/TrainingJobs"
TRANSFORM_NAMESPACE = "/aws/sagemaker/TransformJobs"

MetricData = list[dict[str, Any]]
"""PutMetricData's MetricData."""

MAX_VALUES = 150
"""Different values in one datum (PutMetricData)."""

_UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}


@dataclass(slots=True)
class Observations:
    """Of invocations: values by endpoint, variant and metric, and how often each was seen.

    Of training: each value by itself, since the order in which they came is what they tell.
    """

    _seen: dict[tuple[str, str, str], Counter[float]] = field(default_factory=dict)
    _trained: deque[dict[str, Any]] = field(default_factory=deque)

    def invoked(
        self,
        endpoint: str,
        variant: str,
        *,
        status: int,
        model_seconds: float,
        total_seconds: float,
        instances: int,
    ) -> None:
        """One request has been answered, or has come to nothing.

        Args:
            endpoint: its name.
            variant: its name.
            status: of the container's answer; 0 where there was none.
            model_seconds: from the request's way to the container to its answer.
            total_seconds: from the request's arrival to its answer.
            instances: that the variant had.
        """
        client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status
        values = {
            "Invocations": 1.0,
            "InvocationsPerInstance": 1 / max(1, instances),
            "Invocation4XXErrors": float(client_error),
            "Invocation5XXErrors": float(server_error),
            "ModelLatency": _microseconds(model_seconds),
            "OverheadLatency": _microseconds(total_seconds - model_seconds),
        }
        for metric, value in values.items():
            self._seen.setdefault((endpoint, variant, metric), Counter())[value] += 1

    def variants(self) -> set[tuple[str, str]]:
        """Endpoints and variants that had requests since the last `take`."""
        return {(endpoint, variant) for endpoint, variant, _ in self._seen}

    def trained(self, job: str, metric: str, value: float) -> None:
        """A training job's log tells a value. May be called in any thread."""
        datum = metric_data(metric, {"TrainingJobName": job}, Counter([value]), "None")
        self._trained.extend(datum)

    def take(self) -> dict[str, MetricData]:
        """All that was seen since the last call, by namespace."""
        seen, self._seen = self._seen, {}
        invocations = [
            datum
            for (endpoint, variant, metric), values in seen.items()
            for datum in metric_data(
                metric, variant_dimensions(endpoint, variant), values, _UNITS.get(metric, "None")
            )
        ]
        trained = [self._trained.popleft() for _ in range(len(self._trained))]
        return {INVOCATIONS_NAMESPACE: invocations, TRAINING_NAMESPACE: trained}


def _microseconds(seconds: float) -> float:
    """To two digits: a busy minute then has some fifty values, and a percentile is within 5 %."""
    return float(f"{seconds * 1e6:.2g}")


def variant_dimensions(endpoint: str, variant: str) -> dict[str, str]:
    """What names a variant in CloudWatch."""
    return {"EndpointName": endpoint, "VariantName": variant}


def metric_data(
    metric: str, dimensions: Mapping[str, str], values: Counter[float], unit: str
) -> Iterable[dict[str, Any]]:
    """PutMetricData's MetricData of one metric, in as many data as its values need."""
    pairs, moment = list(values.items()), now()
    for at in range(0, len(pairs), MAX_VALUES):
        part = pairs[at : at + MAX_VALUES]
        yield {
            "MetricName": metric,
            "Timestamp": moment,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Values": [value for value, _ in part],
            "Counts": [float(count) for _, count in part],
            "Unit": unit,
        }
