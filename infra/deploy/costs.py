"""What a month of a deployment on AWS costs: endpoint, serverless endpoint, model in the function.

Every part of a price is either fixed by the month or in proportion to the requests. Left out is
what is the same for all three or next to nothing here, see `EXCLUDED`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

PRICES = Path(__file__).with_name("prices.json")

EXCLUDED = (
    "the free tier, savings plans and tax",
    "S3, logs, the image's registry and an endpoint's disk: cents a month",
    "data that leaves AWS: replies of about a kilobyte",
    "cold starts, which serverless endpoint and function bill as time",
    "API Gateway's lower prices beyond 333 million requests a month",
)

_HOURS = 730.0  # a month, as AWS's calculators have it
_MEGABYTES_PER_GB = 1024.0
_KILOBYTES_PER_GB = 1024.0 * 1024.0
_REPLY_KB = 1.0
_MILLION = 1_000_000.0
_FORWARDER_MB = 256
_FORWARDER_MS = 15.0
"""What the function adds to the model's time while it waits for the endpoint."""

_SERVERLESS_STEPS_MB = tuple(range(1024, 6145, 1024))
"""Memory sizes of a serverless endpoint (SageMaker developer guide, *Serverless endpoints*)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a deployment.

    Attributes:
        requests: a month.
        milliseconds: that photo and model take of one processor for a request.
        photo_kb: a photo's size as it is sent, in kilobytes; the page sends about 5.
        memory_mb: of the function that holds the model, and of a serverless endpoint at least.
        instance_type: of the endpoint.
        instance_count: how many.

    Raises:
        DeployError: one of them is no number above 0.
    """

    requests: float
    milliseconds: float = 100.0
    photo_kb: float = 5.0
    memory_mb: int = 1769
    instance_type: str = "ml.m5.large"
    instance_count: int = 1

    def __post_init__(self) -> None:
        numbers = {
            "requests a month": self.requests,
            "milliseconds": self.milliseconds,
            "photo's kilobytes": self.photo_kb,
            "memory": self.memory_mb,
            "instance count": self.instance_count,
        }
        for name, value in numbers.items():
            if not (value > 0 and math.isfinite(value)):
                raise DeployError(f"{name} {value}: expected a number above 0")


@dataclass(frozen=True, slots=True)
class Estimate:
    """One variant's price.

    Attributes:
        variant: its name.
        fixed: dollars a month, whatever is asked.
        per_million: dollars for a million requests, by what they are for.
        total: dollars a month at the load.
    """

    variant: str
    fixed: float
    per_million: Mapping[str, float]
    total: float


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices of one region, in US dollars, and when and where they were looked up."""

    region: str
    checked: str
    source: str
    table: Mapping[str, Any]

    @classmethod
    def read(cls, region: str, path: Path = PRICES) -> Prices:
        """The prices of a region.

        Raises:
            DeployError: the table has none of that region, or is none.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            regions, checked = document["regions"], str(document["checked"])
            source = str(document["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DeployError(f"{path}: no price table: {error!r}", hint=_OWN) from error
        if region not in regions:
            raise DeployError(
                f"no prices of region {region}, expected one of {', '.join(regions)}", hint=_OWN
            )
        return cls(region, checked, source, regions[region])

    def instance_hour(self, instance_type: str) -> float:
        """Of one instance.

        Raises:
            DeployError: the table does not have it.
        """
        hours = self.table["instance_hour"]
        if instance_type not in hours:
            raise DeployError(
                f"no price of {instance_type} in {self.region}, expected one of {', '.join(hours)}",
                hint=_OWN,
            )
        return float(hours[instance_type])

    def __getitem__(self, name: str) -> float:
        return float(self.table[name])


_OWN = "pass a table of your own with --prices; infra/deploy/prices.json shows its form"


def estimate(load: Load, prices: Prices) -> tuple[Estimate, ...]:
    """The three variants, in the order of their names in the documentation.

    Raises:
        DeployError: the table lacks a price, or the memory is more than a serverless endpoint has.
    """
    gateway = {"API Gateway": prices["gateway_million_requests"]}
    forwarding = {**gateway, **_function(_FORWARDER_MB, load.milliseconds + _FORWARDER_MS, prices)}
    kilobytes = load.photo_kb + _REPLY_KB
    data = {"data": _MILLION * kilobytes / _KILOBYTES_PER_GB * prices["endpoint_data_gb"]}
    seconds = _MILLION * load.milliseconds / 1000
    serverless = seconds * _serverless_gb(load.memory_mb) * prices["serverless_gb_second"]
    hours = _HOURS * load.instance_count * prices.instance_hour(load.instance_type)
    return (
        _estimate("endpoint", load, hours, {**forwarding, **data}),
        _estimate(
            "serverless endpoint", load, 0.0, {**forwarding, "inference": serverless, **data}
        ),
        _estimate(
            "Lambda only",
            load,
            0.0,
            {**gateway, **_function(load.memory_mb, load.milliseconds, prices)},
        ),
    )


def break_even(cheap: Estimate, flat: Estimate) -> float | None:
    """Requests a month from which on `flat` costs less than `cheap`; None if it never does."""
    saved = sum(cheap.per_million.values()) - sum(flat.per_million.values())
    return (flat.fixed - cheap.fixed) / saved * _MILLION if saved > 0 else None


def busy(load: Load, processors: int = 2) -> float:
    """The share of the endpoint's processors that the load takes on average, 1 for all of them.

    Args:
        load: what is asked.
        processors: of an instance; a `large` one has two.
    """
    seconds = load.requests * load.milliseconds / 1000
    return seconds / (_HOURS * 3600 * processors * load.instance_count)


def _function(memory_mb: int, milliseconds: float, prices: Prices) -> dict[str, float]:
    """Dollars for a million invocations."""
    gb_seconds = _MILLION * memory_mb / _MEGABYTES_PER_GB * milliseconds / 1000
    return {
        "Lambda requests": prices["lambda_million_requests"],
        "Lambda time": gb_seconds * prices["lambda_gb_second"],
    }


def _serverless_gb(memory_mb: int) -> float:
    for step in _SERVERLESS_STEPS_MB:
        if memory_mb <= step:
            return step / _MEGABYTES_PER_GB
    raise DeployError(
        f"memory {memory_mb} MB: a serverless endpoint has {_SERVERLESS_STEPS_MB[-1]} at most",
        hint="ask for less memory",
    )


def _estimate(name: str, load: Load, fixed: float, per_million: dict[str, float]) -> Estimate:
    total = fixed + load.requests / _MILLION * sum(per_million.values())
    return Estimate(name, fixed, per_million, total)
