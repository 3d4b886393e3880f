"""Options that name a deployment and where it stands, and how its steps are told."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from infra.deploy.executor import OUTCOMES
from infra.local.settings import DEFAULT_PORT
from infra.targets import TARGETS, resolve_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.targets import TargetName

LABEL_WIDTH = 66
_TARGET_OPTIONS = (
    click.option("--name", default="snapshelf", show_default=True, help="The deployment's name."),
    click.option(
        "--target",
        type=click.Choice(TARGETS),
        default="local",
        show_default=True,
        help="Where it stands: the local cloud, LocalStack, or AWS.",
    ),
    click.option(
        "--port",
        type=click.IntRange(1, 65535),
        default=DEFAULT_PORT,
        show_default=True,
        help="The local cloud's port, with --target local.",
    ),
    click.option("--region", help="AWS region.  [default: AWS_REGION, or us-east-1]"),
)


with_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
"""Give a command `as_json`."""


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--name`, and `target` from `--target`, `--port` and `--region`."""

    @functools.wraps(command)
    def wrapped(*, target: TargetName, port: int, region: str | None, **options: Any) -> None:
        where = resolve_target(target, port=port, region=region, environ=os.environ)
        command(target=where, **options)

    for option in reversed(_TARGET_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def tell_step(label: str, outcome: str) -> None:
    """A line for each resource; on a terminal, what is under way stands on the line to come."""
    line = f"  {label:<{LABEL_WIDTH}} {outcome}"
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", nl=outcome in OUTCOMES, err=True)
    else:
        click.echo(line, err=True)
