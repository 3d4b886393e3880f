"""`snapshelf check`: what is wrong with photos, before anyone trains on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts import CHECK_PAGE, PHOTO_SIZE
from recordio_prep import check_photos
from recordio_prep.settings import MAX_SIZE
from scripts.photo_sources import given_place, open_given, source_options

if TYPE_CHECKING:
    from recordio_prep.check import Check

_COLOURS = {"error": "red", "warning": "yellow", "note": None}
_PARTS = {"photos": "photos", "validation": "for validation", "test": "for testing"}


@click.command("check", short_help="Say what is wrong with photos.")
@click.argument("photos")
@click.option(
    "--out",
    required=True,
    callback=given_place,
    help="Where the report goes; made if absent.",
)
@click.option("--validation", help="Photos of the same categories, held out for validation.")
@click.option("--test", help="Likewise, for the final test.")
@click.option(
    "--size",
    type=click.IntRange(1, MAX_SIZE),
    default=PHOTO_SIZE,
    show_default=True,
    help="Width and height to which photos would be packed, in pixels.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that decode.  [default: one for each core]",
)
@click.option("--strict", is_flag=True, help="End with 1 if there is an error or a warning.")
@source_options
@click.option("--json", "as_json", is_flag=True, help="Print check.json.")
def check_command(
    *,
    photos: str,
    out: str,
    validation: str | None,
    test: str | None,
    strict: bool,
    as_json: bool,
    added: tuple[str, ...],
    **options: Any,
) -> None:
    """Look through PHOTOS, of any kind that `snapshelf prepare` takes, without packing them.

    Finds photos that cannot be read, that show the same (saved again, smaller, or with a watermark)
    within a category, in several categories, or in training and test; photos of a single colour or
    unlike the others of their category; categories that are small, out of balance, or named nearly
    alike. OUT/check.html shows them with pictures, check.json is for programs, and left_out.csv
    lists every file that would not be packed.

    \b
    Example:
      snapshelf check photos/train --test photos/test --out report
    """  # noqa: D301 (click wants the character \b itself before lines that stay as they are)
    given = {"photos": photos, "validation": validation, "test": test}
    report = Path(out)
    sources, options = open_given(given, report, options, added)
    found = check_photos(
        sources["photos"],
        report,
        validation=sources.get("validation"),
        test=sources.get("test"),
        **options,
    )
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print(found, report)
    if strict and any(problem.is_grave for problem in found.problems):
        sys.exit(1)


def _print(found: Check, out: Path) -> None:
    listed = ", ".join(f"{count:,} {_PARTS[part]}" for part, count in found.listed.items())
    click.echo(f"{listed}; {len(found.balance.bars):,} categories")
    for problem in found.problems:
        click.secho(f"{problem.severity:<8} {problem.message}", fg=_COLOURS[problem.severity])
        if problem.is_grave:
            click.echo(f"         {problem.hint}")
    if not found.problems:
        click.echo("nothing is wrong with them")
    click.echo(f"report: {out / CHECK_PAGE}")
