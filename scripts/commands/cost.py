"""`snapshelf cost`: what the variants of a deployment would cost a month on AWS."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from infra.deploy.costs import (
    EXCLUDED,
    PRICES,
    Estimate,
    Load,
    Prices,
    break_even,
    busy,
    estimate,
)

_BUSY = 0.5
"""Share of its processors on average beyond which an endpoint's peaks would wait."""


@click.command("cost")
@click.option("--requests-per-month", type=float, required=True, help="Photos classified a month.")
@click.option("--region", default="us-east-1", show_default=True, help="us-east-1 or eu-west-1.")
@click.option(
    "--milliseconds",
    default=100.0,
    show_default=True,
    help="That a photo and the model take of one processor.",
)
@click.option(
    "--photo-kilobytes", default=5.0, show_default=True, help="As sent; the page makes them small."
)
@click.option("--memory", default=1769, show_default=True, help="Of the function, in MB.")
@click.option("--instance-type", default="ml.m5.large", show_default=True, help="Of the endpoint.")
@click.option("--instance-count", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PRICES,
    help="A price table of your own.  [default: the dated one of this version]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def cost_command(
    *,
    requests_per_month: float,
    region: str,
    milliseconds: float,
    photo_kilobytes: float,
    memory: int,
    instance_type: str,
    instance_count: int,
    prices: Path,
    as_json: bool,
) -> None:
    """Estimate a month on AWS: an endpoint, a serverless endpoint, or Lambda alone.

    By list prices of a dated table; AWS's own calculator has the last word.

    \b
    Examples:
      snapshelf cost --requests-per-month 100000
      snapshelf cost --requests-per-month 5e6 --milliseconds 40 --region eu-west-1
    """  # noqa: D301  # click reads the backspace
    load = Load(
        requests_per_month, milliseconds, photo_kilobytes, memory, instance_type, instance_count
    )
    table = Prices.read(region, prices)
    estimates = estimate(load, table)
    if as_json:
        print(json.dumps(_document(load, table, estimates)))
        return
    _print(load, table, estimates)


def _document(load: Load, prices: Prices, estimates: tuple[Estimate, ...]) -> dict[str, object]:
    endpoint, _, function = estimates
    return {
        "currency": "USD",
        "region": prices.region,
        "prices_checked": prices.checked,
        "prices_source": prices.source,
        "load": asdict(load),
        "estimates": [asdict(each) for each in estimates],
        "endpoint_cheaper_from_requests": break_even(function, endpoint),
        "endpoint_busy": busy(load),
        "excluded": EXCLUDED,
    }


def _print(load: Load, prices: Prices, estimates: tuple[Estimate, ...]) -> None:
    print(f"{load.requests:,.0f} requests a month in {prices.region}, US dollars a month")
    for each in estimates:
        parts = [f"{name} {load.requests / 1e6 * of:,.2f}" for name, of in each.per_million.items()]
        if each.fixed:
            parts.insert(0, f"{load.instance_count} x {load.instance_type} {each.fixed:,.2f}")
        print(f"{each.variant:<20} {each.total:>10,.2f}   {', '.join(parts)}")
    print(_crossing(load, estimates))
    if (share := busy(load)) > _BUSY:
        print(f"the endpoint would be busy for {share:.0%} of the time: it takes more instances")
    print(f"prices of {prices.checked}: {prices.source}")
    print(f"not counted: {'; '.join(EXCLUDED)}")


def _crossing(load: Load, estimates: tuple[Estimate, ...]) -> str:
    endpoint, _, function = estimates
    requests = break_even(function, endpoint)
    if requests is None or busy(replace(load, requests=requests)) > 1:
        return "Lambda only costs less for all that such an endpoint could answer"
    return f"the endpoint costs less than Lambda only from {requests:,.0f} requests a month on"
