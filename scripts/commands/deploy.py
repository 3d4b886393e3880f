"""`snapshelf deploy` and `snapshelf destroy`: a model behind an API and a page, and gone again."""

from __future__ import annotations

import functools
import json
import os
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import ONNX_FILE, SYMBOL_FILE, DeployError
from infra.deploy.deployment import deploy
from infra.deploy.executor import OUTCOMES, Action, compare, destroy
from infra.deploy.plan import DeployOptions, build_plan, find_artifact
from infra.deploy.scope import scope_of
from infra.local.settings import DEFAULT_PORT
from infra.targets import TARGETS, resolve_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.deployment import Deployment
    from infra.deploy.executor import Step
    from infra.targets import Target, TargetName

_MARKS = {Action.MAKE: "+", Action.CHANGE: "~", Action.KEEP: "="}
_LABEL_WIDTH = 66
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


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--name`, and `target` from `--target`, `--port` and `--region`."""

    @functools.wraps(command)
    def wrapped(*, target: TargetName, port: int, region: str | None, **options: Any) -> None:
        where = resolve_target(target, port=port, region=region, environ=os.environ)
        command(target=where, **options)

    for option in reversed(_TARGET_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@click.command("deploy")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@with_target
@click.option("--image", help="Inference image.  [default: ours; on AWS, in the account's ECR]")
@click.option(
    "--instance-type",
    default="ml.m5.large",
    show_default=True,
    help="Of the endpoint's machines, on AWS.",
)
@click.option(
    "--instance-count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many serve it.",
)
@click.option("--plan", "plan_only", is_flag=True, help="Print what would be done; do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def deploy_command(
    *,
    model: Path,
    name: str,
    target: Target,
    image: str | None,
    instance_type: str,
    instance_count: int,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Deploy MODEL: an endpoint, a Lambda function, a REST API and a page.

    MODEL is a model.tar.gz, or the folder that `snapshelf train` wrote it to. What stands already
    and is right stays untouched, so that the same command goes on after a failure, and brings a
    new model into service without a request being lost.

    \b
    Examples:
      snapshelf deploy models/shop
      snapshelf deploy models/shop --plan
      snapshelf deploy models/shop --target aws --region eu-central-1
    """  # noqa: D301  # click reads the backspace
    options = DeployOptions(
        model, image=image, instance_type=instance_type, instance_count=instance_count
    )
    if image is None:  # another's may read what it likes
        _refuse_bare(find_artifact(model))
    if plan_only:
        _print_plan(compare(build_plan(scope_of(name, target), options)), as_json=as_json)
        return
    deployment = deploy(name, target, options, _tell)
    _print_deployment(deployment, as_json=as_json)


@click.command("destroy")
@with_target
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def destroy_command(*, name: str, target: Target, yes: bool, as_json: bool) -> None:
    """Delete a deployment and everything in its buckets.

    Endpoint, models, function, API, page, roles, logs, and the buckets with the records and
    artifacts in them. What other deployments made is left alone.
    """
    scope = scope_of(name, target)
    if not yes:
        click.confirm(
            f"Delete deployment {name} on {target.name} ({target.region}), data included?",
            abort=True,
            err=True,
        )
    deleted = destroy(scope, _tell)
    if as_json:
        print(json.dumps({"name": name, "target": target.name, "deleted": deleted}))
    else:
        print(f"{len(deleted)} resources deleted" if deleted else "there was nothing to delete")


def _refuse_bare(artifact: Path) -> None:
    """Say before anything is uploaded that SageMaker's own artifact is to be converted.

    Raises:
        DeployError: it holds MXNet's files alone.
    """
    try:
        with tarfile.open(artifact, "r:gz") as archive:
            names = {name.rpartition("/")[2] for name in archive.getnames()}
    except (tarfile.TarError, OSError, EOFError):
        return  # the endpoint tells what is wrong with it
    if SYMBOL_FILE in names and ONNX_FILE not in names:
        raise DeployError(
            f"{artifact} holds no {ONNX_FILE}: it is an artifact of SageMaker's own algorithm",
            hint="`snapshelf convert MODEL --classes a,b,... --out DIR`, then deploy DIR",
        )


def _tell(label: str, outcome: str) -> None:
    """A line for each resource; on a terminal, what is under way stands on the line to come."""
    line = f"  {label:<{_LABEL_WIDTH}} {outcome}"
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{line}", nl=outcome in OUTCOMES, err=True)
    else:
        click.echo(line, err=True)


def _print_plan(steps: tuple[Step, ...], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"steps": [asdict(step) for step in steps]}))
        return
    for step in steps:
        about = f": {', '.join(step.differences)}" if step.differences else ""
        print(f"{_MARKS[step.action]} {step.label:<{_LABEL_WIDTH}} {step.action}{about}")
    counts = [f"{sum(s.action is action for s in steps)} to {action}" for action in _TO_DO]
    kept = sum(step.action is Action.KEEP for step in steps)
    print(f"{', '.join(counts)}, {kept} unchanged")


_TO_DO = (Action.MAKE, Action.CHANGE)


def _print_deployment(deployment: Deployment, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(deployment)))
        return
    print(f"page   {deployment.page_url}")
    print(f"API    {deployment.api_url}")
    print(f"model  {deployment.model_version} at endpoint {deployment.endpoint_name}")
