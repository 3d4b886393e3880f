"""Where a batch job's photos are and where they go: refused as wrong usage where that cannot be."""

from __future__ import annotations

from pathlib import Path

import click

from batch.errors import BatchError
from batch.photos import parse_s3


def check_places(address: str, move_done: str | None) -> None:
    """Refuse what would fail tonight, as far as this machine can tell now; S3 is not asked.

    Raises:
        click.UsageError: there is no such folder, an address is none, or as `check_move`.
    """
    for option, place in (("--in", address), ("--move-done", move_done)):
        if place is not None and place.startswith("s3:"):
            try:
                parse_s3(place)
            except BatchError as error:
                raise click.BadParameter(error.message, param_hint=option) from error
    if not address.startswith("s3:") and not Path(address).is_dir():
        raise click.BadParameter(
            f"{address} is no folder: expected one with photos", param_hint="--in"
        )
    check_move(address, move_done)


def check_move(address: str, move_done: str | None) -> None:
    """Refuse to move between a folder and S3, or to where the photos would be found again.

    Raises:
        click.UsageError: it is one of these.
    """
    if move_done is None:
        return
    in_s3 = address.startswith("s3:")
    if in_s3 != move_done.startswith("s3:"):
        raise click.UsageError(
            f"--move-done {move_done} with --in {address}: expected both in S3, or neither"
        )
    ours = f"{address.rstrip('/')}/" if in_s3 else f"{Path(address).resolve()}/"
    theirs = f"{move_done.rstrip('/')}/" if in_s3 else f"{Path(move_done).resolve()}/"
    if theirs.startswith(ours):
        raise click.UsageError(
            f"--move-done {move_done} lies in --in {address}, where the next run would find the"
            " photos again: expected a place beside it"
        )
