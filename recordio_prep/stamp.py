"""Whether the records in a folder are still those of these photos and settings, cheaply told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recordio_prep.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordio_prep.catalog import Catalog
    from recordio_prep.check import Problem
    from recordio_prep.s3_records import S3Records

STAMP_FILE = ".stamp.json"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What went into the records and what came out, by outward signs.

    Attributes:
        inputs: SHA-256 over the settings and every photo's path, size and time of change.
        outputs: Size in bytes by file name.
        problems: How many the check found that `strict` minds.
        passing: Whether a photo was left out for a reason that may have passed by now.
    """

    inputs: str
    outputs: Mapping[str, int]
    problems: int
    passing: bool = False

    @classmethod
    def of(cls, catalog: Catalog, problems: Iterable[Problem]) -> Stamp:
        """Of records that are not in their place yet."""
        grave = sum(problem.is_grave for problem in problems)
        return cls(catalog.meta("inputs"), {}, grave, bool(catalog.meta("passing")))

    @classmethod
    def load(cls, records: Path) -> Stamp | None:
        """The stamp in a folder of records; None if there is none, or it is damaged."""
        try:
            document = json.loads((records / STAMP_FILE).read_text(encoding="utf-8"))
            return cls(**document)
        except (OSError, ValueError, TypeError):
            return None

    def save(self, records: Path) -> None:
        """Write the stamp, all of it or nothing."""
        write_atomically(records / STAMP_FILE, self.text())

    def text(self) -> str:
        """The stamp as its file holds it."""
        return json.dumps(asdict(self)) + "\n"

    def holds(self, records: Path | S3Records, inputs: str) -> bool:
        """Whether the photos are the same still, and the files as they were written."""
        if self.inputs != inputs:
            return False
        if isinstance(records, Path):
            return self.outputs == file_sizes(records, self.outputs)
        return self.outputs.items() <= records.sizes().items()


def file_sizes(folder: Path, names: Mapping[str, int] | list[str]) -> dict[str, int]:
    """Size by name of the files that are there."""
    return {name: (folder / name).stat().st_size for name in names if (folder / name).is_file()}
