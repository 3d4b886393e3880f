"""An option that names a file to be written: whole, by renaming another into its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A file that is there or not yet; no folder, and nothing that a rename would destroy.

    `--out /dev/null` is a habit, and a program with the rights to would leave a plain file in the
    device's place.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not path.is_file():
            self.fail(f"{path} is a device or a pipe, expected a plain file", param, ctx)
        return path
