"""The models of a deployment by name, and the limits on what a request may take them for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .errors import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MODEL = "default"
"""The name of the model that routes without a model's name ask."""


def read_models(default_endpoint: str, text: str) -> dict[str, str]:
    """Endpoint by model name, the default one first.

    Args:
        default_endpoint: of the model that is asked where a request names none.
        text: of the others, a JSON object {model: endpoint}; empty where there are none.
    """
    others: dict[str, str] = json.loads(text) if text else {}
    return {DEFAULT_MODEL: default_endpoint, **others}


def find_endpoint(models: Mapping[str, str], name: str) -> str:
    """The endpoint of the model `name`.

    Raises:
        UnknownModelError: this deployment has no such model.
    """
    if name not in models:
        raise UnknownModelError(
            f"model {name[:40]!r}: expected {' or '.join(models)}", hint="GET /models lists them"
        )
    return models[name]
