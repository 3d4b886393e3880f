"""Keeps Pillow's warnings about odd files from escaping, whatever thread decodes."""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_inside = 0
_outermost = contextlib.ExitStack()


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings that Pillow's own modules give, while any thread is inside.

    `warnings.catch_warnings` swaps the process's filters and is not thread-safe: of two threads
    that overlap, the last to leave could put the other's filters back for good. So only the first
    in swaps them, and only the last out restores.
    """
    global _inside  # noqa: PLW0603 (the filters that it guards are the process's own)
    with _lock:
        if _inside == 0:
            _outermost.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _outermost.close()
