"""`snapshelf deploy`, `describe`, `destroy`: a model behind an API and a page, and gone again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from infra.deploy.deployment import deploy, describe_deployment
from infra.deploy.executor import Action, compare, destroy
from infra.deploy.plan import build_plan
from infra.deploy.scope import scope_of
from scripts.model_options import with_model
from scripts.target_options import LABEL_WIDTH, tell_step, with_json, with_target

if TYPE_CHECKING:
    from infra.deploy.deployment import Deployment
    from infra.deploy.executor import Step
    from infra.deploy.options import DeployOptions
    from infra.targets import Target

_MARKS = {
    Action.MAKE: "+",
    Action.CHANGE: "~",
    Action.WAIT: ".",
    Action.REMOVE: "-",
    Action.KEEP: "=",
}


@click.command("deploy")
@with_target
@with_model
@click.option("--plan", "plan_only", is_flag=True, help="Print what would be done; do nothing.")
@with_json
def deploy_command(
    *,
    options: DeployOptions,
    name: str,
    target: Target,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Deploy MODEL: an endpoint, a Lambda function, a REST API and a page.

    MODEL is a model.tar.gz, or the folder that `snapshelf train` wrote it to. What stands already
    and is right stays untouched, so that the same command goes on after a failure, and brings a
    new model into service without a request being lost. The generation before is kept, so that
    deploying it again takes no upload; older ones are removed.

    \b
    Examples:
      snapshelf deploy models/shop
      snapshelf deploy models/shop --plan
      snapshelf deploy models/shop --lambda-only
      snapshelf deploy models/shop --api-key --rate 5 --quota 1000/day
      snapshelf deploy models/shop --model refund=models/refund --feedback
      snapshelf deploy models/shop --target aws --region eu-central-1
    """  # noqa: D301  # click reads the backspace
    if plan_only:
        _print_plan(compare(build_plan(scope_of(name, target), options)), as_json=as_json)
        return
    deployment = deploy(name, target, options, tell_step)
    _print_deployment(deployment, as_json=as_json)


@click.command("describe")
@with_target
@click.option(
    "--only",
    type=click.Choice(("api_url", "page_url", "endpoint_name", "artifact", "api_key")),
    help="Print this one value alone, for a script.",
)
@with_json
def describe_command(*, name: str, target: Target, only: str | None, as_json: bool) -> None:
    """Tell where a deployment stands, and change nothing.

    \b
    Example:
      curl -sS -F file=@photo.jpg "$(snapshelf describe --only api_url)/predict"
    """  # noqa: D301  # click reads the backspace
    deployment = describe_deployment(name, target)
    if only:
        print(asdict(deployment)[only] or "")
    else:
        _print_deployment(deployment, as_json=as_json)


@click.command("destroy")
@with_target
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@with_json
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
    deleted = destroy(scope, tell_step)
    if as_json:
        print(json.dumps({"name": name, "target": target.name, "deleted": deleted}))
    else:
        print(f"{len(deleted)} resources deleted" if deleted else "there was nothing to delete")


def _print_plan(steps: tuple[Step, ...], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"steps": [asdict(step) for step in steps]}))
        return
    for step in steps:
        print(f"{_MARKS[step.action]} {step.label:<{LABEL_WIDTH}} {step.action}{_why(step)}")
    counts = Counter(step.action for step in steps)
    told = [f"{counts[action]} to {action}" for action in _TO_DO]
    print(f"{', '.join(told)}, {counts[Action.KEEP]} unchanged")
    if removed := [name for s in steps if s.action is Action.REMOVE for name in s.differences]:
        print(f"{len(removed)} to {Action.REMOVE}, once the rest stands")


_TO_DO = (Action.MAKE, Action.CHANGE)


def _why(step: Step) -> str:
    if step.action is Action.MAKE:
        return ": there is none"
    return f": {', '.join(step.differences)}" if step.differences else ""


def _print_deployment(deployment: Deployment, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(deployment)))
        return
    print(f"page   {deployment.page_url}")
    print(f"API    {deployment.api_url}")
    where = f"at endpoint {deployment.endpoint_name}" if deployment.endpoint_name else _IN_FUNCTION
    print(f"model  {deployment.artifact} {where}")
    if deployment.api_key:
        print(f"key    {deployment.api_key}   (header x-api-key)")


_IN_FUNCTION = "in the function"
