"""CPUUtilization and MemoryUtilization of hosts, as CloudWatch gets them.

Per cent of one processor and of this machine's memory (developer guide, *Monitor with Amazon
CloudWatch*: endpoints by variant, jobs by `Host`).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.sagemaker.observations import MetricData, metric_data
from infra.sagemaker.process_usage import session_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.sagemaker.process_usage import Usage


@dataclass(frozen=True, slots=True)
class Hosts:
    """Containers that have one name in CloudWatch.

    Attributes:
        namespace: of the metrics.
        dimensions: what names the containers.
        sessions: that they are in.
        told: whether CloudWatch is to learn of them this time.
    """

    namespace: str
    dimensions: Mapping[str, str]
    sessions: Sequence[int]
    told: bool = True


class Utilisation:
    """What containers used between one look and the next."""

    def __init__(self) -> None:
        self._moment = 0.0
        self._before: dict[int, Usage] = {}

    def look(self, all_hosts: Sequence[Hosts]) -> dict[str, MetricData]:
        """One value a container and metric, by namespace; blocks."""
        usage = session_usage({pid for hosts in all_hosts for pid in hosts.sessions})
        moment = time.monotonic()
        seconds, self._moment = moment - self._moment, moment
        before, self._before = self._before, usage
        data: dict[str, MetricData] = {}
        for hosts in all_hosts:
            if hosts.told:
                data.setdefault(hosts.namespace, []).extend(_data(hosts, usage, before, seconds))
        return data


def _data(
    hosts: Hosts, usage: dict[int, Usage], before: dict[int, Usage], seconds: float
) -> MetricData:
    present = [pid for pid in hosts.sessions if pid in usage]
    known = [pid for pid in present if pid in before]
    busy = Counter(_percent_of_core(usage[pid], before[pid], seconds) for pid in known)
    full = Counter(100 * usage[pid].memory for pid in present)
    return [
        *metric_data("CPUUtilization", hosts.dimensions, busy, "Percent"),
        *metric_data("MemoryUtilization", hosts.dimensions, full, "Percent"),
    ]


def _percent_of_core(now: Usage, before: Usage, seconds: float) -> float:
    return 100 * max(0.0, now.cpu_seconds - before.cpu_seconds) / seconds
