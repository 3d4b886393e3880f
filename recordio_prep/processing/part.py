"""What one host packed: the document from which, with the others', dataset.json is made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from contracts import DatasetError
from recordio_prep.shards import Written
from recordio_prep.statistics import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
PART_FILE = "part_{position:05d}.json"
LEFT_OUT_FILE = "left_out_{position:05d}.csv"
"""As the output's own files, which all hosts upload to one prefix; `position` is the host's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A host's share of the records.

    Attributes:
        position: Of the host among all, from 0.
        hosts: How many there are.
        settings: What the records depend on besides the photos.
        classes: Names in label order, the same for all hosts.
        counts: Records by split and class.
        moments: Sums over the pixels of the training records.
        left_out: How many files were not packed.
        fingerprint: "sha256:..." over the share.
        shards: In order.
    """

    position: int
    hosts: int
    settings: Mapping[str, Any]
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    moments: Moments
    left_out: int
    fingerprint: str
    shards: tuple[Written, ...]

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """The reverse of `text`.

        Raises:
            DatasetError: it is damaged, or of another format.
        """
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise ValueError(f"expected format {FORMAT}")  # noqa: TRY301
            moments = document.pop("moments")
            shards = tuple(Written(**shard) for shard in document.pop("shards"))
            return cls(
                moments=Moments(
                    moments["pixels"], tuple(moments["sums"]), tuple(moments["squares"])
                ),
                shards=shards,
                classes=tuple(document.pop("classes")),
                **document,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DatasetError(
                f"{name}: damaged ({error!r})", hint="run the processing job again"
            ) from error

    def text(self) -> str:
        """The document as its file holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"
