"""`snapshelf batch schedule`: the nightly job by crontab, as a systemd timer, or by EventBridge."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from batch.cron import Cron
from batch.crontab import crontab_line, with_block
from batch.errors import BatchError
from batch.systemd import service_unit, timer_unit
from scripts.batch_places import check_places
from scripts.batch_run import run_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Told = dict[str, Any]

_SHOWN_STARTS = 3


class CronTime(click.ParamType[Cron]):
    """Five fields as a crontab has them."""

    name = "cron"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Cron:
        if isinstance(value, Cron):
            return value
        try:
            return Cron.parse(str(value))
        except BatchError as error:
            self.fail(f"{error.message} ({error.hint})", param, ctx)


@click.command("schedule", context_settings={"ignore_unknown_options": True})
@click.argument("cron", metavar="CRON", type=CronTime())
@click.option(
    "--as",
    "kind",
    type=click.Choice(["cron", "systemd", "eventbridge"]),
    default="cron",
    show_default=True,
    help="What starts the job.",
)
@click.option(
    "--install",
    is_flag=True,
    help="Put it in place: into your crontab, below ~/.config/systemd/user, or on the target.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="RUN-OPTIONS...")
def schedule_command(
    *, cron: Cron, kind: str, install: bool, as_json: bool, options: tuple[str, ...]
) -> None:
    """Start `snapshelf batch run RUN-OPTIONS` at the times of CRON.

    CRON is minute, hour, day of the month, month and weekday, as in a crontab, in this machine's
    time zone. Without --install the entry is printed for you to look at. Installing again replaces
    the entry of the same --out, and no other line.

    With --as eventbridge, a schedule starts a Lambda function beside a deployment (--name,
    --target, --port, --region), which puts new photos of an S3 prefix (--in) through a batch
    transform of the deployment's model, into a table of each night below another (--out). It takes
    --columns, --timezone (UTC unless named) and --instance-type.

    \b
    Examples:
      snapshelf batch schedule "0 19 * * *" --in photos --out predictions.csv --install
      snapshelf batch schedule "0 2 * * 1-5" --as systemd --in photos --out predictions.csv
      snapshelf batch schedule "0 19 * * *" --as eventbridge --in s3://returns/new/
        --out s3://returns/sorted/ --install
    """  # noqa: D301  # click reads the backspace
    told = _KINDS[kind](cron, options, install=install)
    zone = ZoneInfo(told["timezone"]) if "timezone" in told else None
    now = datetime.now().astimezone(zone)
    starts = [at.isoformat(timespec="minutes") for at in cron.upcoming(_SHOWN_STARTS, now)]
    if as_json:
        print(json.dumps({"as": kind, "installed": install, "next": starts, **told}))
        return
    for name, text in told["entries"].items():
        click.echo(f"# {name}", err=True)
        print(text, end="" if text.endswith("\n") else "\n")
    click.echo(f"{told['hint']}\nnext: {', '.join(starts)}", err=True)


def _check_run(options: Sequence[str]) -> Path:
    """Refuse tonight's wrong usage now; returns the table."""
    with run_command.make_context("snapshelf batch run", list(options)) as context:
        if context.params["key"]:
            raise click.UsageError(
                "--key would stand in the entry, for others to read: expected --key-file"
            )
        check_places(context.params["source"], context.params["move_done"])
        return Path(context.params["out"])


def _program() -> list[str]:
    """This very `snapshelf`, by its full path: cron and systemd know no virtual environment."""
    beside = Path(sys.executable).with_name("snapshelf")
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", "scripts.cli"]


def _by_eventbridge(cron: Cron, options: Sequence[str], *, install: bool) -> Told:
    from scripts.batch_nightly import by_eventbridge  # with AWS's libraries

    return by_eventbridge(cron, options, install=install)


def _by_cron(cron: Cron, options: Sequence[str], *, install: bool) -> Told:
    table = _check_run(options).absolute()
    argv = [*_program(), "batch", "run", *options]
    line = crontab_line(cron, argv, Path.cwd(), table.with_name(f"{table.name}.log"))
    if install:
        _write_crontab(with_block(_read_crontab(), str(table), line))
        hint = "installed in your crontab (`crontab -e` to change it)"
    else:
        hint = "add this line by `crontab -e`, or give --install"
    return {"entries": {"crontab": line}, "hint": hint}


def _crontab(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which("crontab") is None:
        raise BatchError(
            "this machine has no program `crontab`",
            hint="install a cron, or use --as systemd",
        )
    return subprocess.run(
        ["crontab", *arguments], input=text, capture_output=True, text=True, check=False
    )


def _read_crontab() -> str:
    """The user's own; empty where there is none, which crontab tells by 1 and its words."""
    ended = _crontab("-l")
    if ended.returncode and "no crontab" not in ended.stderr:
        raise BatchError(
            f"`crontab -l` failed: {ended.stderr.strip()}", hint="may this user have a crontab?"
        )
    return "" if ended.returncode else ended.stdout


def _write_crontab(text: str) -> None:
    ended = _crontab("-", text=text)
    if ended.returncode:
        raise BatchError(
            f"`crontab -` failed: {ended.stderr.strip()}",
            hint="leave --install out, and add the printed line yourself",
        )


def _by_systemd(cron: Cron, options: Sequence[str], *, install: bool) -> Told:
    out = _check_run(options)
    argv = [*_program(), "batch", "run", *options]
    name = f"snapshelf-batch-{_slug(out)}"
    title = f"Photos into {out}"
    units = {
        f"{name}.service": service_unit(title, argv, Path.cwd()),
        f"{name}.timer": timer_unit(title, cron),
    }
    enable = f"systemctl --user daemon-reload && systemctl --user enable --now {name}.timer"
    if not install:
        return {
            "entries": units,
            "hint": f"put both into {_unit_folder(os.environ)}, then\n{enable}",
        }
    folder = _unit_folder(os.environ)
    for unit, text in units.items():
        _write_unit(folder / unit, text)
    return {"entries": units, "hint": f"written to {folder}; now\n{enable}"}


def _write_unit(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}", hint="put the printed units there"
        ) from error


def _unit_folder(environ: Mapping[str, str]) -> Path:
    """Where systemd looks for a user's units (systemd.unit(5))."""
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def _slug(out: Path) -> str:
    """The table's folder and name as a part of a unit's name."""
    told = re.sub(r"[^A-Za-z0-9]+", "-", str(out.absolute().with_suffix("")))
    return told.strip("-").lower() or "photos"


_KINDS = {"cron": _by_cron, "systemd": _by_systemd, "eventbridge": _by_eventbridge}
