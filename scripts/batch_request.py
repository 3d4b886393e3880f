#!/usr/bin/env python3
"""The refund department's script by its old name: `snapshelf batch run`, with the same options."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Started by its path, Python looks for modules beside this file only.
    sys.path[:1] = [str(Path(__file__).resolve().parent.parent)]

from scripts.cli import main

if __name__ == "__main__":
    main(["batch", "run", *sys.argv[1:]])
