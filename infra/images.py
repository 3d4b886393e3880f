"""Container images that run here without Docker: an image URI names a program and its commands."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""On PYTHONPATH in every container: where the images' programs are found."""

TRAIN = "train"
SERVE = "serve"
"""The argument with which SageMaker starts a training and an inference image."""


@dataclass(frozen=True, slots=True)
class Image:
    """A repository's name, the program that is its entrypoint, and the commands it takes."""

    repository: str
    entrypoint: tuple[str, ...]
    commands: frozenset[str]

    def __post_init__(self) -> None:
        unknown = self.commands - {TRAIN, SERVE}
        if not self.entrypoint or not self.commands or unknown:
            raise DeployError(
                f"image {self.repository}: entrypoint {self.entrypoint}, commands "
                f"{sorted(self.commands)}; expected a program and some of {TRAIN}, {SERVE}"
            )


TRAINING_IMAGE = Image("snapshelf-training", (sys.executable, "-m", "training"), frozenset({TRAIN}))
INFERENCE_IMAGE = Image(
    "snapshelf-inference", (sys.executable, "-m", "hosting"), frozenset({SERVE})
)


FUNCTION_PROGRAM = "hosting.invocations"
"""The inference image's answering half: the module that a function which holds the model is told.

Its `open_model` takes the model's folder and a number of threads, and gives what answers requests.
"""


NIGHTLY_PROGRAM = "batch.nightly"
"""The nightly job's function, by module name; its `handler` takes what the schedule sends."""


class ImageRegistry:
    """The images that are known here, found by repository name whatever their registry and tag.

    Args:
        images: beside the project's own, which they may replace.
    """

    def __init__(self, images: Iterable[Image] = ()) -> None:
        own = (TRAINING_IMAGE, INFERENCE_IMAGE)
        self._images = {image.repository: image for image in (*own, *images)}

    def argv(self, uri: str, command: str) -> tuple[str, ...]:
        """The command line of the image at `uri`, started as SageMaker does with `command`.

        Raises:
            DeployError: no such image is known here, or it cannot be started as `command`.
        """
        image = self._images.get(repository_name(uri))
        if image is None or command not in image.commands:
            known = sorted(name for name, one in self._images.items() if command in one.commands)
            raise DeployError(
                f"Requested image {uri} not found. Images that run here for `{command}`: "
                f"{', '.join(known) or 'none'}.",
                hint="name one of these; registry and tag are free",
            )
        return (*image.entrypoint, command)


def parse_image(text: str) -> Image:
    """Read `REPOSITORY=PROGRAM ARGUMENT ...`: a program of the user's own that trains and serves.

    Raises:
        DeployError: no repository, or no program.
    """
    repository, _, program = text.partition("=")
    if not repository or not program.strip():
        raise DeployError(
            f"image {text!r}: expected REPOSITORY=PROGRAM",
            hint="for example my-model='python /path/to/my_model.py'",
        )
    return Image(repository, tuple(shlex.split(program)), frozenset({TRAIN, SERVE}))


def repository_name(uri: str) -> str:
    """`host:port/team/name:tag@digest` -> `name`."""
    return uri.partition("@")[0].rpartition("/")[2].partition(":")[0]
