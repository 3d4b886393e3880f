"""What a worker of a Dask cluster on this machine does first; Dask imports it by its name."""

from __future__ import annotations

import os
import signal


def dask_setup(_worker: object) -> None:
    """Leave Ctrl-C to the driver, and keep the decoders' complaints off the terminal.

    A worker ends when the pipe from its driver does, which is Dask's own doing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device, not a path)
        os.dup2(nowhere.fileno(), 2)
