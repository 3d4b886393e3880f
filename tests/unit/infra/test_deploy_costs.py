"""The cost estimate: its figures by hand, its table, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from contracts import DeployError
from infra.deploy.costs import PRICES, Load, Prices, break_even, busy, estimate

if TYPE_CHECKING:
    from pathlib import Path

LOAD = Load(1_000_000, milliseconds=100, photo_kb=5, memory_mb=2048)


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """Round figures, so that each part can be worked out by hand."""
    table = {
        "instance_hour": {"ml.m5.large": 0.1},
        "endpoint_data_gb": 1.024,
        "serverless_gb_second": 0.00002,
        "lambda_gb_second": 0.00001,
        "lambda_million_requests": 0.2,
        "gateway_million_requests": 3.5,
    }
    path = tmp_path / "prices.json"
    path.write_text(
        json.dumps({"checked": "2026-01-01", "source": "here", "regions": {"here": table}})
    )
    return Prices.read("here", path)


def test_endpoint_is_paid_by_the_hour_and_asked_through_a_function(prices: Prices) -> None:
    """730 hours, and for each million: gateway, a function of 256 MB for 115 ms, 6 KB of data."""
    endpoint, _, _ = estimate(LOAD, prices)
    assert endpoint.fixed == pytest.approx(73.0)
    assert endpoint.per_million == pytest.approx(
        {
            "API Gateway": 3.5,
            "Lambda requests": 0.2,
            "Lambda time": 0.2875,
            "data": 6 / 1.024 * 1.024 * 1e6 / 1024 / 1e3,
        }
    )
    assert endpoint.total == pytest.approx(73.0 + sum(endpoint.per_million.values()))


def test_serverless_endpoint_is_paid_by_time_and_memory(prices: Prices) -> None:
    """A million times 0.1 s at 2 GB, and nothing by the hour."""
    _, serverless, _ = estimate(LOAD, prices)
    assert serverless.fixed == 0
    assert serverless.per_million["inference"] == pytest.approx(4.0)


def test_serverless_memory_goes_by_whole_gigabytes(prices: Prices) -> None:
    """1,769 MB are billed as 2 GB; beyond 6 GB there is no such endpoint."""
    _, serverless, _ = estimate(Load(1_000_000, milliseconds=100, memory_mb=1769), prices)
    assert serverless.per_million["inference"] == pytest.approx(4.0)
    with pytest.raises(DeployError, match="has 6144 at most"):
        estimate(Load(1, memory_mb=7000), prices)


def test_function_with_the_model_is_paid_by_time_and_memory(prices: Prices) -> None:
    """No second function, no endpoint, no data processed."""
    _, _, function = estimate(LOAD, prices)
    assert (function.fixed, function.per_million) == (
        0,
        pytest.approx({"API Gateway": 3.5, "Lambda requests": 0.2, "Lambda time": 2.0}),
    )


def test_break_even_is_where_both_cost_the_same(prices: Prices) -> None:
    """Below it the function costs less, above it the endpoint; a fast model never gets there."""
    slow = Load(1, milliseconds=1000, memory_mb=4096)
    endpoint, _, function = estimate(slow, prices)
    requests = break_even(function, endpoint)
    assert requests is not None
    at = Load(requests, milliseconds=1000, memory_mb=4096)
    endpoint, _, function = estimate(at, prices)
    assert endpoint.total == pytest.approx(function.total)
    endpoint, _, function = estimate(Load(1, milliseconds=1, memory_mb=128), prices)
    assert break_even(function, endpoint) is None


def test_load_beyond_the_endpoint_is_seen() -> None:
    """Two processors for 730 hours are 5,256,000 s."""
    assert busy(Load(52_560_000, milliseconds=100)) == pytest.approx(1.0)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_table_is_dated_and_has_every_price(region: str) -> None:
    """Both regions can be estimated with what is deployed by default, and the source is named."""
    prices = Prices.read(region)
    assert dt.date.fromisoformat(prices.checked) >= dt.date(2026, 1, 1)
    assert "list prices" in prices.source
    totals = [each.total for each in estimate(Load(100_000), prices)]
    assert all(0 < total < 1000 for total in totals)


def test_what_the_table_lacks_is_told() -> None:
    """With what it has, and how to bring one's own."""
    with pytest.raises(DeployError, match="no prices of region mars-1, expected one of us-east-1"):
        Prices.read("mars-1")
    with pytest.raises(DeployError, match=r"no price of ml\.p4d\.24xlarge in us-east-1") as raised:
        Prices.read("us-east-1").instance_hour("ml.p4d.24xlarge")
    assert "--prices" in raised.value.hint


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """A damaged table is an error with its path, not a traceback."""
    (tmp_path / "prices.json").write_text("[]")
    with pytest.raises(DeployError, match="no price table"):
        Prices.read("us-east-1", tmp_path / "prices.json")


@pytest.mark.parametrize("requests", [0, -5, float("nan"), float("inf")])
def test_a_load_of_nothing_is_refused(requests: float) -> None:
    """An estimate of it would be a division by nothing, or mean nothing."""
    with pytest.raises(DeployError, match="requests a month"):
        Load(requests)


def test_the_dated_table_lies_beside_the_code() -> None:
    """It is part of the repository, so that an estimate can be repeated."""
    assert PRICES.is_file()
