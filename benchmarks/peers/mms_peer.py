"""multi-model-server's handler: a photo's bytes in, probabilities out. It runs on Java."""

from __future__ import annotations

import json
from typing import Any

from network import Network

_loaded: list[Network] = []


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[str] | None:
    """Answer the requests of a batch; called without any when the model is loaded."""
    del context
    if not _loaded:
        _loaded.append(Network())
    if not data:
        return None
    network = _loaded[0]
    found = network.predict([network.prepare(bytes(each["body"])) for each in data])
    return [json.dumps(each) for each in found]
