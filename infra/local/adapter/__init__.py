"""What stock MiniStack 1.5.33 lacks, mended: one module a subject, each on its internals.

MiniStack is pinned exactly, and a test holds every mend against the behaviour it brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.adapter import function_limits, functions, gateway, openapi, presigned

if TYPE_CHECKING:
    import asyncio

    from infra.local.lambda_pool import FunctionPool


def install(pool: FunctionPool, loop: asyncio.AbstractEventLoop) -> None:
    """Put every mend in place; `loop` is the one that the pool lives on."""
    openapi.install()
    gateway.install()
    functions.install(pool, loop)
    function_limits.install()
    presigned.install()
