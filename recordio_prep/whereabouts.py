"""Where a preparation runs, works, and leaves its records, when that is not all in one folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep import engines
from recordio_prep.sources.together import sources_of
from recordio_prep.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordio_prep.s3_records import S3Records
    from recordio_prep.settings import Settings
    from recordio_prep.sources.source import Source
    from recordio_prep.spool import Spooler

SCHEME = "s3://"
"""What is about S3 is imported where an address asks for it: boto3 takes half of all start-up."""

_SPOOL = ".preparing/spool/"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What `--out`, `--work`, `--catalog` and `--engine` say.

    Attributes:
        out: A folder, or `s3://bucket/prefix/`.
        work: A folder or prefix, of this preparation alone, that holds encoded photos until the
            records are whole; every worker has to reach it. None: below `out`.
        state: A folder of this machine for the catalog. None: `out`, or for records in S3 a folder
            of their own below ~/.cache.
        engine: `dask` or `dask://host:port`; None for processes of this machine.
    """

    out: Path | str
    work: Path | str | None = None
    state: Path | None = None
    engine: str | None = None

    def check(self, settings: Settings) -> None:
        """Raise a DatasetError for what cannot be combined, before anything is read."""
        if self.engine is None:
            return
        engines.check(self.engine)
        if settings.shard_size is None:
            raise DatasetError(
                f"one file a split on the engine {self.engine}, expected shards: a worker there"
                " cannot open the catalog and is sent the list of a whole file",
                hint="give --shard-size 10000",
            )

    def check_apart(self, sources: Iterable[Source]) -> None:
        """Raise a DatasetError where records in S3 would lie among the photos."""
        if self.records is None:
            return
        from recordio_prep.sources.s3 import S3Prefix
        from recordio_prep.sources.s3_access import Address

        for source in (part for given in sources for part in sources_of(given)):
            if not isinstance(source, S3Prefix):
                continue
            photos = Address.parse(source.uri.rstrip("/") + "/")
            if str(self.records.prefix).startswith(str(photos)):
                raise DatasetError(
                    f"{self.records} lies in {source.uri}, expected a prefix apart from the photos",
                    hint="give --out another prefix",
                )

    @property
    def records(self) -> S3Records | None:
        """The records' prefix; None where they go into a folder."""
        if isinstance(self.out, str) and self.out.startswith(SCHEME):
            from recordio_prep.s3_records import S3Records

            return S3Records(self.out)
        return None

    @property
    def folder(self) -> Path:
        """Of this machine: with the catalog, and the records too if they stay here.

        It is absolute, since workers elsewhere have other current folders.
        """
        if self.records is None:
            return Path(self.out) if self.engine is None else Path(self.out).absolute()
        if self.state is not None:
            return self.state
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        identity = hashlib.sha256(str(self.records.prefix).encode()).hexdigest()[:16]
        return cache / "snapshelf" / "prepare" / identity

    @property
    def spool(self) -> Spooler | None:
        """Where the encoded photos lie; None for the workplace's own folder."""
        place = self.work if self.work is not None else self.records and self.records.prefix
        if place is None:
            return None
        if str(place).startswith(SCHEME):
            from recordio_prep.spool_s3 import S3Spool

            return S3Spool(f"{str(place).rstrip('/')}/{_SPOOL}")
        return Spool(Path(str(place)).absolute() / _SPOOL)
