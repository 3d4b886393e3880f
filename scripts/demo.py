"""`scripts/demo`: its options, its folder, and its end."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from contracts import DeployError, SnapshelfError
from infra.local import launch, record
from scripts.cli import go_straight_to_this_machine
from scripts.demo_steps import Demo
from scripts.locks import sole_use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

FOLDER = Path(__file__).resolve().parent.parent / ".demo"
MARKER = ".snapshelf-demo"
"""The file that says a folder is the demo's own to fill and to remove; also its lock."""

INTERRUPTED = 130
_QUIET_LOGGERS = ("botocore", "boto3", "httpx", "httpcore", "urllib3", "s3transfer")


@click.command()
@click.option("--once", is_flag=True, help="Stop after the answers instead of serving on.")
@click.option("--clean", is_flag=True, help="Remove everything that the demo made, and stop.")
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own category folders (or train/ and test/ with such) instead of Fashion-MNIST.",
)
@click.option("--port", default=4566, show_default=True, help="Of the local cloud.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=FOLDER, help="Where it keeps its things."
)
def demo(*, once: bool, clean: bool, photos: Path | None, port: int, folder: Path) -> None:
    """From photos to answers in the browser, all on this machine."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="      %(message)s")
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    go_straight_to_this_machine(os.environ)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        with _own(folder):
            if clean:
                _clean(folder)
            else:
                _run(Demo(folder, port, photos), once=once)
    except KeyboardInterrupt:
        click.echo("\nStopped; the next run goes on from here.")
        sys.exit(INTERRUPTED)
    except SnapshelfError as error:
        click.echo(f"ERROR {error.message}", err=True)
        if error.hint:
            click.echo(f"HINT  {error.hint}", err=True)
        sys.exit(1)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Work in a folder that is the demo's own, and let no second demo in."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise DeployError(
            f"{folder} holds something that the demo did not make",
            hint="give an empty --folder, or one that does not exist yet",
        )
    with sole_use(folder, MARKER):
        yield


def _run(demo: Demo, *, once: bool) -> None:
    """Everything, with the cloud stopped at the end, whatever the end is."""
    try:
        demo.run()
        if not once:
            _serve_on(demo.folder)
    finally:
        launch.stop(demo.folder / "cloud")


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _serve_on(folder: Path) -> None:
    """Until Ctrl-C, which is how it is meant to end."""
    click.secho("Serving until Ctrl-C.", bold=True)
    try:
        while record.read((folder / "cloud").resolve()) is not None:
            time.sleep(1)
    except KeyboardInterrupt:
        click.echo("\nStopping; the next run is here again in seconds.")
        return
    raise DeployError("the local cloud has ended", hint=f"its log: {folder}/cloud/cloud.log")


def _clean(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise DeployError(f"{folder} cannot be removed: {error}") from error
    click.echo(f"removed {folder}")


if __name__ == "__main__":
    demo()
