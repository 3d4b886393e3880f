"""The folder that a preparation works in, kept where it was broken off and resumed from there."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import DatasetError
from recordio_prep.catalog import Catalog, remove
from recordio_prep.chunks import has_lost_chunks
from recordio_prep.files import sole_writer
from recordio_prep.spool import Piece, Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from recordio_prep.spool import Spooler

_FOLDER = ".preparing"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Workplace:
    """`<out>/.preparing`, with the catalog, the spool and the records until they are whole.

    Attributes:
        folder: Of this process alone, on this machine.
        elsewhere: The spool, if it is not in the folder.
    """

    folder: Path
    elsewhere: Spooler | None = None

    @property
    def listing(self) -> Path:
        """The catalog of what the sources hold now."""
        return self.folder / "listing.sqlite"

    @property
    def catalog(self) -> Path:
        """The catalog of the preparation under way."""
        return self.folder / "catalog.sqlite"

    @property
    def spool(self) -> Spooler:
        """Every worker has to reach it."""
        return self.elsewhere or Spool(self.folder / "spool")

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @contextlib.contextmanager
    def payloads(self, catalog: Catalog) -> Iterator[Callable[[int], bytes]]:
        """Gives the prepared photo, JPEG or PNG, of a photos.id."""
        with self.spool.reader() as spool:

            def payload(photo: int) -> bytes:
                row = catalog.connection.execute(
                    "SELECT chunk, start, length FROM facts WHERE id = ?", (photo,)
                ).fetchone()
                return next(iter(spool.payloads([Piece(*row)])))

            yield payload

    def resume(self, listing: Catalog) -> Catalog:
        """The catalog to go on with.

        It is the one that an earlier run left, if it is of the same photos and settings; else the
        listing, and nothing of the earlier run stays.
        """
        earlier = Catalog.open(self.catalog)
        if earlier is not None and self._fits(earlier, listing):
            listing.close()
            remove(self.listing)
            return earlier
        if earlier is not None:
            earlier.close()
        listing.close()
        self.spool.clear()
        shutil.rmtree(self.records, ignore_errors=True)
        self.records.mkdir()
        remove(self.catalog)  # a journal of its own that stayed would be taken for the new one's
        self.listing.replace(self.catalog)
        catalog = Catalog.open(self.catalog)
        if catalog is None:
            raise DatasetError(
                f"{self.catalog} is damaged as soon as it is written",
                hint="check the disk, or give another folder",
            )
        return catalog

    def _fits(self, earlier: Catalog, listing: Catalog) -> bool:
        """Whether it is of the same photos and settings, and has what its later steps built on."""
        if earlier.meta("inputs") != listing.meta("inputs"):
            return False
        return not (earlier.meta("families_found") and has_lost_chunks(earlier, self.spool))

    def abandon(self) -> None:
        """End in an error that a person has to mend; what was encoded may still serve then."""
        remove(self.listing)
        if not self.catalog.exists():
            self.remove()

    def remove(self) -> None:
        """End: nothing is left to resume."""
        if self.elsewhere is not None:
            self.elsewhere.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def workplace(out: Path, spool: Spooler | None = None) -> Iterator[Workplace]:
    """The workplace in `out`, for this process alone; its spool may be elsewhere.

    It is removed where the work ends. Where it does not (Ctrl-C, a kill, a full disk, photos that
    have to be mended), it stays, so that the same call goes on from there.

    Raises:
        DatasetError: `out` cannot be written to, now or inside the block, or another process is
            at work in it.
    """
    with sole_writer(out):
        place = Workplace(out / _FOLDER, spool)
        try:
            place.folder.mkdir(exist_ok=True)
            yield place
        except DatasetError:
            place.abandon()
            raise
        except (OSError, sqlite3.OperationalError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DatasetError(f"{out}: {reason}", hint=_hint(error)) from error
        place.remove()


def _hint(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno not in _NO_SPACE:
        return "mend that, or give another folder; the same command goes on from here"
    return (
        "free some space and run the same command again, which goes on from here;"
        " or give another folder"
    )
