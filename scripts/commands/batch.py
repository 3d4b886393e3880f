"""`snapshelf batch`: many photos at once, by a schedule, with a report in the morning."""

from __future__ import annotations

import click

from scripts.batch_report import report_command
from scripts.batch_run import run_command
from scripts.batch_schedule import schedule_command


@click.group("batch", short_help="Classify many photos unattended.")
def batch_command() -> None:
    """Classify a folder or an S3 prefix of photos, unattended, into a table.

    \b
    From photos to a report in the morning:
      snapshelf batch run --in photos --out predictions.csv
      snapshelf batch schedule "0 19 * * *" --in photos --out predictions.csv
      snapshelf batch report predictions.csv --photos photos --out report.html
    """  # noqa: D301  # click reads the backspace


batch_command.add_command(run_command)
batch_command.add_command(schedule_command)
batch_command.add_command(report_command)
