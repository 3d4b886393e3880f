"""`snapshelf deploy` and `snapshelf destroy`: a model behind an API and a page, and gone again."""

from __future__ import annotations

import functools
import json
import os
import sys
import tarfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import ONNX_FILE, SYMBOL_FILE, DeployError
from infra.deploy.deployment import deploy
from infra.deploy.executor import OUTCOMES, Action, compare, destroy
from infra.deploy.options import (
    LARGEST_MEMORY_MB,
    SMALLEST_MEMORY_MB,
    DeployOptions,
    find_artifact,
)
from infra.deploy.plan import build_plan
from infra.deploy.resources import QUOTA_PERIODS, UsageLimits
from infra.deploy.scope import scope_of
from infra.local.settings import DEFAULT_PORT
from infra.targets import TARGETS, resolve_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.deployment import Deployment
    from infra.deploy.executor import Step
    from infra.targets import Target, TargetName

_MARKS = {
    Action.MAKE: "+",
    Action.CHANGE: "~",
    Action.WAIT: ".",
    Action.REMOVE: "-",
    Action.KEEP: "=",
}
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


def with_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `options`, what is to be deployed, from MODEL and the options about it."""

    @functools.wraps(command)
    def wrapped(
        *,
        model: Path,
        image: str | None,
        instance_type: str,
        instance_count: int,
        lambda_only: bool,
        memory: int | None,
        api_key: bool,
        rate: float | None,
        burst: int | None,
        quota: tuple[int, str] | None,
        models: tuple[tuple[str, Path], ...],
        feedback: bool,
        capture_below: float | None,
        **others: Any,
    ) -> None:
        options = DeployOptions(
            model,
            image=image,
            instance_type=instance_type,
            instance_count=instance_count,
            lambda_only=lambda_only,
            memory_mb=_only_with(lambda_only, memory, "--memory", "--lambda-only"),
            limits=_limits(api_key=api_key, rate=rate, burst=burst, quota=quota),
            models=models,
            feedback=feedback,
            capture_below=capture_below,
        )
        if image is None:  # another's may read what it likes
            for artifact in (model, *(path for _, path in models)):
                _refuse_bare(find_artifact(artifact))
        command(options=options, **others)

    for option in reversed(_MODEL_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


class Quota(click.ParamType[tuple[int, str]]):
    """`1000/day`: a number of requests, and the period in which they may be made."""

    name = "N/day|week|month"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        """`1000/day` -> (1000, "DAY")."""
        number, _, period = str(value).partition("/")
        if not number.isdecimal() or period.upper() not in QUOTA_PERIODS:
            self.fail(f"{value!r}: expected a number and a period, as 1000/day", param, ctx)
        return int(number), period.upper()


class NamedModel(click.ParamType[tuple[str, Path]]):
    """`refund=models/refund`: what the API calls a model, and where it lies."""

    name = "NAME=PATH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """`refund=models/refund` -> ("refund", Path("models/refund"))."""
        name, equals, path = str(value).partition("=")
        if not (name and equals and path):
            self.fail(f"{value!r}: expected NAME=PATH, as refund=models/refund", param, ctx)
        return name, Path(path)


_MODEL_OPTIONS = (
    click.argument("model", type=click.Path(exists=True, path_type=Path)),
    click.option("--image", help="Inference image.  [default: ours; on AWS, in the account's ECR]"),
    click.option(
        "--instance-type",
        default="ml.m5.large",
        show_default=True,
        help="Of the endpoint's machines, on AWS.",
    ),
    click.option(
        "--instance-count",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many serve it.",
    ),
    click.option(
        "--lambda-only", is_flag=True, help="The function holds the model: no endpoint to pay for."
    ),
    click.option(
        "--memory",
        type=click.IntRange(SMALLEST_MEMORY_MB, LARGEST_MEMORY_MB),
        help="Of the function, in MB, with --lambda-only.  [default: what the model needs]",
    ),
    click.option("--api-key", is_flag=True, help="Requests must carry a key, which is printed."),
    click.option("--rate", type=float, help="Requests a second, by key.  [default: 10]"),
    click.option("--burst", type=int, help="Requests at once, by key.  [default: 20]"),
    click.option("--quota", type=Quota(), help="Requests in a time, by key, such as 1000/day."),
    click.option(
        "--model",
        "models",
        type=NamedModel(),
        multiple=True,
        help="A further model, which answers below /models/NAME. Any number of times.",
    ),
    click.option("--feedback", is_flag=True, help="Keep photos that people name, with consent."),
    click.option(
        "--capture-below",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="Keep photos whose best category is less probable than P, for labelling.",
    ),
)


def _only_with(given: bool, value: Any, option: str, other: str) -> Any:
    """The value of an option that has a meaning only beside another.

    Raises:
        click.UsageError: it is given without that one.
    """
    if value is not None and not given:
        raise click.UsageError(f"{option} has a meaning with {other} only")
    return value


def _limits(
    *,
    api_key: bool,
    rate: float | None,
    burst: int | None,
    quota: tuple[int, str] | None,
) -> UsageLimits | None:
    given = {"rate": rate, "burst": burst, "quota": quota}
    for name, value in given.items():
        _only_with(api_key, value, f"--{name}", "--api-key")
    if not api_key:
        return None
    of_time = {} if quota is None else {"quota": quota[0], "period": quota[1]}
    chosen: dict[str, Any] = {"rate": rate, "burst": burst, **of_time}
    return UsageLimits(**{name: value for name, value in chosen.items() if value is not None})


@click.command("deploy")
@with_target
@with_model
@click.option("--plan", "plan_only", is_flag=True, help="Print what would be done; do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
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
        print(f"{_MARKS[step.action]} {step.label:<{_LABEL_WIDTH}} {step.action}{_why(step)}")
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
    print(f"model  {deployment.model_version} {where}")
    if deployment.api_key:
        print(f"key    {deployment.api_key}   (header x-api-key)")


_IN_FUNCTION = "in the function"
