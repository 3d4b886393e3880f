"""An option that names a file with an API's key, which nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import click


class KeyFile(click.Path):
    """Becomes the key: the file's text, without the white space around it."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            self.fail(f"{path} has mode {mode:o}: expected 600 (chmod 600 {path})", param, ctx)
        key = path.read_text(encoding="utf-8", errors="replace").strip()
        if not (key.isascii() and key.isprintable() and key):
            self.fail(f"{path} holds no key: expected it alone, on one line", param, ctx)
        return key
