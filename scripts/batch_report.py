"""`snapshelf batch report`: the morning report from a table and its photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch.photos import open_source
from batch.report import write_report
from batch.table import read_table
from scripts.output_file import OutputFile
from scripts.target_options import with_target

if TYPE_CHECKING:
    from infra.targets import Target


@click.command("report")
@click.argument("predictions", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--photos", required=True, metavar="DIR|s3://...", help="Where the table's photos are now."
)
@click.option(
    "--out",
    required=True,
    type=OutputFile(),
    help="The page: one file with the photos in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@with_target
def report_command(
    *, predictions: Path, photos: str, out: Path, as_json: bool, name: str, target: Target
) -> None:
    """Show PREDICTIONS, which `snapshelf batch run` wrote, as a page for people.

    By category, the photos that the model is least sure of first, and every failure with its
    reason. The table needs the columns label, confidence and verdict for all of it; without them
    the photos are shown by class number and name.

    \b
    Example:
      snapshelf batch report predictions.csv --photos photos --out report.html
    """  # noqa: D301  # click reads the backspace
    del name  # of a deployment; S3 is asked through the target alone
    source = open_source(photos, lambda: target.client("s3"))
    write_report(out, read_table(predictions), source, title=f"Photos of {photos}")
    print(json.dumps({"report": str(out)}) if as_json else f"report: {out}")
