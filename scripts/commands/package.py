"""`snapshelf package`: a deployment on AWS as templates, for who applies those."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.deploy.templates.packaging import FORMATS, write_package
from infra.targets import resolve_target
from scripts.model_options import with_model

if TYPE_CHECKING:
    from infra.deploy.options import DeployOptions
    from infra.deploy.templates.packaging import Format


@click.command("package")
@with_model
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="Of what kind."
)
@click.option("--name", default="snapshelf", show_default=True, help="The deployment's name.")
@click.option("--region", help="AWS region.  [default: AWS_REGION, or us-east-1]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="An empty folder, or one that was written before.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def package_command(
    *,
    options: DeployOptions,
    format_: Format,
    name: str,
    region: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write what `snapshelf deploy MODEL --target aws` would make as templates.

    No credentials are needed and nothing is asked of AWS. The folder holds the templates, what goes
    into the buckets, and, for CloudFormation, which uploads nothing, a script that does.

    \b
    Examples:
      snapshelf package models/shop --format terraform --out shop
      snapshelf package models/shop --lambda-only --format cloudformation --out shop
    """  # noqa: D301  # click reads the backspace
    where = resolve_target("aws", region=region, environ=os.environ).region
    package = write_package(name, where, options, format_, out)
    if as_json:
        templates = [str(path) for path in package.templates]
        print(json.dumps({"templates": templates, "command": package.command}))
        return
    for path in package.templates:
        print(path)
    print(f"apply it with: {package.command}")
