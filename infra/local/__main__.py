"""`python -m infra.local`: the local cloud in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from contracts import SnapshelfError
from infra.local import server
from infra.local.settings import DEFAULT_HOST, DEFAULT_PORT, CloudSettings, lambda_python


@click.command()
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="0 lets the system choose.")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="Its folder."
)
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="The address to listen on.")
def main(port: int, state: Path, host: str) -> None:
    """Serve the local cloud in the foreground."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("infra").setLevel(logging.INFO)
    try:
        python = lambda_python(os.environ)
        server.run(CloudSettings(state.resolve(), port, host, python))
    except SnapshelfError as error:
        click.echo(f"ERROR {error.message}\nHINT  {error.hint}", err=True)
        sys.exit(1)
    logging.shutdown()
    os._exit(0)  # Python itself would wait for threads, which only an answer to MiniStack ends


if __name__ == "__main__":
    main()
