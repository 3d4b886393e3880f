"""`snapshelf up`, `down` and `status`: the local cloud in the background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.local import launch
from infra.local.settings import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_STATE = Path(".snapshelf")

_state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    help="The cloud's folder: all that it keeps, and its log (cloud.log).",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _with_state(command: Callable[..., None]) -> Callable[..., None]:
    return _state_option(_json_option(command))


@click.command("up")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="0 lets the system choose.")
@click.option(
    "--host",
    default=DEFAULT_HOST,
    show_default=True,
    help="Address to listen on. Beyond loopback, whoever reaches it can run code here.",
)
@_with_state
def up_command(port: int, host: str, state: Path, as_json: bool) -> None:
    """Start the local cloud: S3, Lambda, API Gateway, SageMaker and more on one port.

    It goes on in the background until `snapshelf down`, and comes back with all that it held.
    Where it already runs, this only says so.

    \b
    Reach it from anything that speaks AWS:
      export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=us-east-1
      export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    """  # noqa: D301 - click's mark for a block that is not to be wrapped
    info = launch.start(state, port, host)
    _print(info, as_json, f"the local cloud runs at {info.endpoint_url} (process {info.pid})")


@click.command("down")
@_with_state
def down_command(state: Path, as_json: bool) -> None:
    """Stop the local cloud, with every endpoint, job and function worker.

    What it held stays in its folder for the next `snapshelf up`.
    """
    stopped = launch.stop(state)
    if as_json:
        click.echo(json.dumps({"stopped": stopped, "state": str(state.resolve())}))
    else:
        click.echo("the local cloud is stopped" if stopped else f"no local cloud {_where(state)}")


@click.command("status")
@_with_state
def status_command(state: Path, as_json: bool) -> None:
    """Say whether the local cloud runs, and where; exit code 1 if it does not."""
    info = launch.status(state)
    if info is None:
        text = f"no local cloud {_where(state)}"
        click.echo(json.dumps({"running": False}) if as_json else text)
        click.get_current_context().exit(1)
    text = f"running at {info.endpoint_url} for {info.uptime:.0f} s (process {info.pid})"
    _print(info, as_json, text)


def _where(state: Path) -> str:
    """Of a folder without a cloud; another folder's may answer all the same."""
    told = f"is running on {state}"
    if not launch.answers(DEFAULT_PORT):
        return told
    return f"{told}; that of another folder is on port {DEFAULT_PORT}: name its folder by --state"


def _print(info: launch.CloudInfo, as_json: bool, text: str) -> None:
    document: dict[str, Any] = {
        "running": True,
        "endpoint_url": info.endpoint_url,
        "port": info.port,
        "host": info.host,
        "pid": info.pid,
        "state": str(info.state),
        "uptime": info.uptime,
    }
    click.echo(json.dumps(document) if as_json else text)
