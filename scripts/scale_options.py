"""The options by which a person says where a preparation runs and works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from recordio_prep.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Command = TypeVar("Command", bound="Callable[..., Any]")

_OPTIONS = (
    click.option(
        "--engine",
        help="Runs the work on several machines: dask://host:port of a scheduler, or dask for a"
        " cluster on this machine.  [processes of this machine]",
    ),
    click.option(
        "--work",
        help="Holds encoded photos meanwhile: a folder or s3://bucket/prefix/ that every worker"
        " reaches.  [in OUT]",
    ),
    click.option(
        "--catalog",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of this machine for the list of photos meanwhile, where OUT is in S3."
        "  [below ~/.cache/snapshelf]",
    ),
)
_NAMES = ("engine", "work", "catalog")


def scale_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def whereabouts(out: str, options: Mapping[str, Any]) -> tuple[Whereabouts, dict[str, Any]]:
    """What the options say; also returns those that are about something else."""
    rest = {name: value for name, value in options.items() if name not in _NAMES}
    return Whereabouts(out, options["work"], options["catalog"], options["engine"]), rest


def absolutely(address: str, where: Whereabouts) -> str:
    """A source's address as workers of an engine, who have other current folders, find it."""
    if where.engine is None or "://" in address:
        return address
    return str(Path(address).absolute())
