"""`snapshelf batch schedule --as eventbridge`: its own options, and the deployment of the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from batch.errors import BatchError
from batch.photos import parse_s3
from infra.deploy.nightly import NightlyOptions, compare_nightly, schedule_nightly
from infra.deploy.scope import scope_of
from scripts.batch_run import Columns
from scripts.target_options import tell_step, with_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch.cron import Cron
    from infra.targets import Target


class S3Prefix(click.ParamType[tuple[str, str]]):
    """`s3://bucket/prefix`: bucket and prefix, of which the latter is a folder."""

    name = "s3://..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        if not str(value).startswith("s3://"):
            self.fail(f"{value!r}: expected s3://bucket/prefix", param, ctx)
        try:
            return parse_s3(str(value))
        except BatchError as error:
            self.fail(error.message, param, ctx)


@click.command("snapshelf batch schedule CRON --as eventbridge", add_help_option=False)
@click.option("--in", "photos", type=S3Prefix(), required=True)
@click.option("--out", type=S3Prefix(), required=True)
@click.option("--columns", type=Columns(), default=())
@click.option("--timezone", default="UTC")
@click.option("--instance-type", default="ml.m5.large")
@with_target
@click.pass_obj
def nightly_command(
    given: dict[str, Any],
    /,
    *,
    photos: tuple[str, str],
    out: tuple[str, str],
    name: str,
    target: Target,
    **options: Any,
) -> None:
    """Leave in `given` what was asked for, checked without asking the target."""
    in_photos = "/".join(photos)
    if photos[0] == out[0] and out[1].startswith(photos[1]):
        raise click.UsageError(
            f"--out s3://{'/'.join(out)} lies in --in s3://{in_photos}: expected a place beside it"
        )
    _check_zone(options["timezone"])
    given["target"], given["name"] = target, name
    given["options"] = {"photos": photos, "out": out, **options}


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise click.BadParameter(
            f"{name!r}: expected an IANA name, such as Europe/Berlin", param_hint="--timezone"
        ) from error


def _expression(cron: Cron) -> str:
    try:
        return cron.event_bridge()
    except BatchError as error:
        raise click.BadParameter(f"{error.message} ({error.hint})", param_hint="CRON") from error


def by_eventbridge(cron: Cron, arguments: Sequence[str], *, install: bool) -> dict[str, Any]:
    """What is told of the job, which `install` puts in place.

    Raises:
        click.UsageError: the time cannot be said to EventBridge, or an option is wrong.
        SnapshelfError: the target refuses.
    """
    given: dict[str, Any] = {}
    with nightly_command.make_context(nightly_command.name, list(arguments), obj=given) as context:
        nightly_command.invoke(context)
    options = NightlyOptions(_expression(cron), **given["options"])
    scope = scope_of(given["name"], given["target"])
    if install:
        steps = schedule_nightly(scope, options, tell_step)
        hint = f"the schedule {scope.nightly} stands on {scope.target.name}"
    else:
        steps = compare_nightly(scope, options)
        hint = "give --install to put it in place"
    told = {step.label: step.action.value for step in steps}
    entry = "\n".join(f"{action:<10} {label}" for label, action in told.items())
    return {
        "entries": {options.expression: entry},
        "expression": options.expression,
        "timezone": options.timezone,
        "steps": told,
        "hint": hint,
    }
