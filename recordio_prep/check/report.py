"""Writes a check beside the records: `check.json` for programs, `check.html` for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contracts import CHECK_FILE, CHECK_PAGE
from recordio_prep.check.page import page
from recordio_prep.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from recordio_prep.check.findings import Check


def write_report(check: Check, folder: Path) -> None:
    """Write both files into a folder that is there; the same bytes for the same check."""
    text = json.dumps(check.to_dict(), ensure_ascii=False, indent=2) + "\n"
    write_atomically(folder / CHECK_FILE, text)
    write_atomically(folder / CHECK_PAGE, page(check))
