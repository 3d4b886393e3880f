"""What a request may ask for beside probabilities, in its CustomAttributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts import EMBEDDING_ATTRIBUTE, HEATMAP_ATTRIBUTE, TOP_K_ATTRIBUTE, SnapshelfError

_YES = {"true": True, "false": False}


class AttributesError(SnapshelfError):
    """An attribute has a value that it cannot have."""

    code = "bad_attributes"
    status = 400


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted; nothing, as most requests have it, leaves an answer as it always was.

    Attributes:
        top_k: of how many of the best categories the answer tells; None: of all, in class order.
        embedding: whether the network's last features are told.
        heatmap: whether it is shown where in the photo the answer lies.
    """

    top_k: int | None = None
    embedding: bool = False
    heatmap: bool = False

    def __bool__(self) -> bool:
        return self != Options()

    @classmethod
    def parse(cls, attributes: str) -> Options:
        """Read `top_k=3,embedding=true,heatmap=true`, any of them in any order.

        Whatever else stands there is passed over: clients put ids of their own into
        CustomAttributes, as AWS suggests (*InvokeEndpoint*).

        Raises:
            AttributesError: the value of one of the three is none that it takes.
        """
        readers = {
            TOP_K_ATTRIBUTE: _number,
            EMBEDDING_ATTRIBUTE: _switch,
            HEATMAP_ATTRIBUTE: _switch,
        }
        found: dict[str, Any] = {}
        for part in attributes.split(","):
            name, _, value = (word.strip() for word in part.partition("="))
            if name in readers:
                found[name] = readers[name](name, value)
        return cls(**found)


NOTHING_MORE = Options()


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value[:9]) >= 1):
        raise AttributesError(
            f"CustomAttributes: {name}={value[:20]}: expected a whole number of at least 1",
            hint="leave it out for all categories in class order",
        )
    return int(value[:9])  # more than anyone has categories


def _switch(name: str, value: str) -> bool:
    if value not in _YES:
        raise AttributesError(
            f"CustomAttributes: {name}={value[:20]}: expected true or false",
            hint="leave it out for false",
        )
    return _YES[value]
