"""What a request to `/classify` may ask for beside the categories: in its query, or its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contracts import EMBEDDING_ATTRIBUTE, HEATMAP_ATTRIBUTE, JSON
from .errors import BadRequestError
from .photo_request import read_top_k

if TYPE_CHECKING:
    from collections.abc import Mapping

TOP_K, EMBEDDING, HEATMAP = "top_k", "embedding", "heatmap"
_SWITCHES = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """How many categories are listed (None: the best five), and what else is told."""

    top_k: int | None = None
    embedding: bool = False
    heatmap: bool = False

    @property
    def attributes(self) -> str:
        """As CustomAttributes, by which the endpoint is asked for it; the list is cut here."""
        wanted = ((EMBEDDING_ATTRIBUTE, self.embedding), (HEATMAP_ATTRIBUTE, self.heatmap))
        return ",".join(f"{name}=true" for name, asked in wanted if asked)


def read_options(
    body: bytes, content_type: str, query: Mapping[str, str] | None
) -> ClassifyOptions:
    """The options of a request; what its JSON says goes before its query.

    Args:
        body: that `read_photo` has read.
        content_type: the Content-Type header; empty means JSON.
        query: of the address.

    Raises:
        BadRequestError: an option's value is none that it takes.
    """
    given = query or {}
    members = _members(body) if _is_json(content_type) else {}
    return ClassifyOptions(
        top_k=_number(members[TOP_K]) if TOP_K in members else read_top_k(given),
        embedding=_switch(EMBEDDING, members, given),
        heatmap=_switch(HEATMAP, members, given),
    )


def _is_json(content_type: str) -> bool:
    return (content_type or JSON).partition(";")[0].strip().lower() == JSON


def _members(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:  # nested to just what could be read before
        raise BadRequestError(f"the body is not JSON: {error}") from error
    return document if isinstance(document, dict) else {}


def _number(value: Any) -> int | None:
    """As the query's `top_k`; a JSON number, or null for none."""
    if value is None:
        return None
    return read_top_k({TOP_K: json.dumps(value)})


def _switch(name: str, members: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    value = members[name] if name in members else _SWITCHES.get(query.get(name, "false"))
    if not isinstance(value, bool):
        shown = json.dumps(members[name])[:20] if name in members else query[name][:20]
        raise BadRequestError(
            f"{name}={shown}: expected true or false", hint="leave it out for false"
        )
    return value
