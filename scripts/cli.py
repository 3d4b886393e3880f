"""The `snapshelf` command: finds the subcommand, and tells errors that a user can mend."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from contracts import SnapshelfError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

COMMANDS = {
    "check": "scripts.commands.check:check_command",
    "prepare": "scripts.commands.prepare:prepare_command",
    "train": "scripts.commands.train:train_command",
    "convert": "scripts.commands.convert:convert_command",
    "evaluate": "scripts.commands.evaluate:evaluate_command",
    "products": "scripts.commands.products:products_command",
    "calibrate": "scripts.commands.calibrate:calibrate_command",
    "optimise": "scripts.commands.optimise:optimise_command",
    "up": "scripts.commands.cloud:up_command",
    "down": "scripts.commands.cloud:down_command",
    "status": "scripts.commands.cloud:status_command",
    "deploy": "scripts.commands.deploy:deploy_command",
    "describe": "scripts.commands.deploy:describe_command",
    "destroy": "scripts.commands.deploy:destroy_command",
    "models": "scripts.commands.models:models_group",
    "package": "scripts.commands.package:package_command",
    "cost": "scripts.commands.cost:cost_command",
    "classify": "scripts.commands.classify:classify_command",
    "batch": "scripts.commands.batch:batch_command",
    "doctor": "scripts.commands.doctor:doctor_command",
}
"""In the order of the work; each is imported when it is called, since AWS's libraries are slow."""

SUMMARIES = {
    "check": "Say what is wrong with photos.",
    "prepare": "Pack photos into records.",
    "train": "Train a network on records.",
    "convert": "Make SageMaker's own artifact one that can be deployed.",
    "evaluate": "Measure a model on photos.",
    "products": "Name products by one to four photos each.",
    "calibrate": "Give a model calibrated probabilities.",
    "optimise": "Find the fastest runtime for a model.",
    "up": "Start the local cloud.",
    "down": "Stop the local cloud.",
    "status": "Say whether the local cloud runs, and where.",
    "deploy": "Put a model behind an API and a page.",
    "describe": "Tell a deployment's addresses.",
    "destroy": "Delete a deployment and its data.",
    "models": "Register, compare, promote and take back versions of a model.",
    "package": "Write a deployment as CloudFormation or Terraform.",
    "cost": "Estimate what a deployment on AWS costs a month.",
    "classify": "Classify photos through a deployed API.",
    "batch": "Classify many photos unattended, by a schedule.",
    "doctor": "Say what this machine has and lacks.",
}


class LazyGroup(click.Group):
    """Subcommands that are imported when they are asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="snapshelf")
@click.option("-v", "--verbose", is_flag=True, help="Tell more about what is going on.")
def snapshelf(*, verbose: bool) -> None:
    """Photos in category folders become a classifier behind a serverless API and a web page.

    \b
    From photos to an answer:
      snapshelf prepare photos --out records
      snapshelf train records --out model
      snapshelf up
      snapshelf deploy model
      snapshelf classify some-photo.jpg

    Results go to standard output (--json for programs), progress to standard error. Exit code 0:
    done; 1: failed, with the reason and what to do; 2: wrong usage.
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s" if verbose else "%(message)s",
    )
    for chatty in (
        () if verbose else ("botocore", "boto3", "httpx", "httpcore", "urllib3", "s3transfer")
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def go_straight_to_this_machine(environ: MutableMapping[str, str]) -> None:
    """Keep a proxy that the environment names out of the talk with the local cloud."""
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(filter(None, [environ.get(name), "127.0.0.1", "localhost"]))


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a SnapshelfError is told in two lines, a bug keeps its traceback."""
    go_straight_to_this_machine(os.environ)
    try:
        return snapshelf.main(arguments, prog_name="snapshelf")
    except SnapshelfError as error:
        click.echo(f"ERROR {error.message}", err=True)
        if error.hint:
            click.echo(f"HINT  {error.hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
