"""`python -m infra.sagemaker`: the plane by itself, beside a cloud that has no SageMaker."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

import click
import uvicorn

from contracts import SnapshelfError
from infra.images import ImageRegistry, parse_image
from infra.sagemaker.plane import SageMakerPlane

CLOSE_SECONDS = 2
"""For requests under way when the server is told to end."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", required=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--aws-endpoint-url", required=True, help="Where S3 and CloudWatch Logs are.")
@click.option(
    "--state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of resources and running containers.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="REPOSITORY=PROGRAM",
    help="A program to run for an image of your own; it gets `train` or `serve`. Repeatable.",
)
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--account", default="000000000000", show_default=True, help="Twelve digits.")
def main(
    host: str, port: int, aws_endpoint_url: str, state: Path, images: tuple[str, ...], **place: str
) -> None:
    """Serve SageMaker and SageMaker Runtime until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        plane = SageMakerPlane(
            aws_endpoint_url=aws_endpoint_url,
            state_dir=state,
            region=place["region"],
            account=place["account"],
            images=ImageRegistry(parse_image(text) for text in images),
        )
    except SnapshelfError as error:
        raise click.ClickException(error.message) from error
    asyncio.run(_serve(plane, host, port))


async def _serve(plane: SageMakerPlane, host: str, port: int) -> None:
    config = uvicorn.Config(
        plane.app,
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    # uvicorn raises the signal that ended it once more; it must not end us before plane.stop().
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    await plane.start()
    try:
        await uvicorn.Server(config).serve()
    finally:
        await plane.stop()


if __name__ == "__main__":
    main()
