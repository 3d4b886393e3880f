"""What a control operation is: a request that the service model has checked, to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from infra.sagemaker.connections import Reply

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes the checked input; its answer is cut to the operation's output shape before it leaves."""

Operations = Mapping[str, Operation]
"""Handlers by operation name, e.g. `CreateModel`. Each kind of resource contributes its own."""

RuntimeOperation = Callable[[str, Mapping[str, str], bytes], Awaitable[Reply]]
"""Takes an endpoint's name, the request's headers, names in lower case, and its body."""
