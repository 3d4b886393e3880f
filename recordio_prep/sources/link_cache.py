"""A folder that keeps what was downloaded, and which links will never give a photo."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeAlias
from uuid import uuid4

from photo import looks_like_photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE_BYTES = 32
_BMP = b"BM"
_EXTENSIONS = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG": "png",
    b"RIFF": "webp",
    b"GIF8": "gif",
    b"II": "tif",
    b"MM": "tif",
    _BMP: "bmp",
}
_OTHER_EXTENSION = "avif"  # of the formats that photo.looks_like_photo knows, the one left
_BMP_TYPES = frozenset(("image/bmp", "image/x-bmp", "image/x-ms-bmp"))


@dataclass(frozen=True, slots=True)
class Kept:
    """A photo in the cache.

    Attributes:
        locator: Its path in the cache's folder.
        size: Bytes.
        version: When it was downloaded, nanoseconds since 1970.
        extension: By its first bytes, without a dot.
    """

    locator: str
    size: int
    version: str
    extension: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a link gave no photo.

    Attributes:
        reason: In words.
        lasting: Whether another run would get the same answer.
        again: Whether the same might succeed in a moment.
        after: Seconds that the server wants to be left alone, None if it did not say.
    """

    reason: str
    lasting: bool = False
    again: bool = False
    after: float | None = None


Outcome: TypeAlias = Kept | Failed


def link_digest(link: str) -> str:
    """64 hexadecimal digits (SHA-256) that stand for the link, the same everywhere."""
    return hashlib.sha256(link.encode("utf-8", "surrogatepass")).hexdigest()


def is_photo(start: bytes, content_type: str = "") -> bool:
    """Whether bytes that start so are a photo.

    BMP's signature is two letters that may begin any text: there the type (a mere word without
    parameters, in small letters) has to say so too.
    """
    return looks_like_photo(start) or (start.startswith(_BMP) and content_type in _BMP_TYPES)


class Arrival:
    """A file that is being downloaded; until `keep` it is not in the cache."""

    def __init__(self, file: IO[bytes], part: Path, place: Path) -> None:
        self._file = file
        self._part = part
        self._place = place

    def write(self, data: bytes) -> None:
        """Append to the file.

        Raises:
            OSError: it cannot be written, by a full disk mostly.
        """
        self._file.write(data)

    def keep(self) -> None:
        """All is there: put the file into the cache, whole.

        Raises:
            OSError: as `write`.
        """
        self._file.close()
        self._place.parent.mkdir(exist_ok=True)
        self._part.replace(self._place)


@dataclass(frozen=True, slots=True)
class LinkCache:
    """The cache: `<2 digits>/<64 digits of the link>`, with `.failed` a reason in place of a photo.

    Attributes:
        folder: Where it is.
        scratch: A folder on the same disk, for files that are not whole yet.
        retry_failed: Know nothing of failures.
    """

    folder: Path
    scratch: Path
    retry_failed: bool = False

    def find(self, link: str) -> Outcome | None:
        """What is known of the link without asking anyone; None if nothing is.

        Raises:
            OSError: the cache cannot be read.
        """
        return self.photo(link) or (None if self.retry_failed else self._failure(link))

    def photo(self, link: str) -> Kept | None:
        """The link's photo, None if it is not here.

        Raises:
            OSError: the cache cannot be read.
        """
        place = self._place(link)
        try:
            with place.open("rb") as file:
                start = file.read(SIGNATURE_BYTES)
            status = place.stat()
        except FileNotFoundError:
            return None
        if not (is_photo(start) or start.startswith(_BMP)):  # emptied by a power cut, say
            return None
        locator = place.relative_to(self.folder).as_posix()
        return Kept(locator, status.st_size, str(status.st_mtime_ns), _extension(start))

    @contextlib.contextmanager
    def arrival(self, link: str) -> Iterator[Arrival]:
        """A file for the link's photo; it is gone after the block unless `keep` was called.

        Raises:
            OSError: it cannot be made.
        """
        part = self.scratch / uuid4().hex
        try:
            with part.open("wb") as file:
                yield Arrival(file, part, self._place(link))
        finally:
            part.unlink(missing_ok=True)

    def fail(self, link: str, reason: str) -> None:
        """Remember why the link will never give a photo.

        Raises:
            OSError: it cannot be written.
        """
        part = self.scratch / uuid4().hex
        part.write_text(reason, encoding="utf-8")
        place = self._place(link).with_suffix(".failed")
        place.parent.mkdir(exist_ok=True)
        part.replace(place)

    def _failure(self, link: str) -> Failed | None:
        try:
            reason = self._place(link).with_suffix(".failed").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Failed(reason, lasting=True) if reason else None

    def _place(self, link: str) -> Path:
        digest = link_digest(link)
        return self.folder / digest[:2] / digest


def _extension(start: bytes) -> str:
    known = (name for sign, name in _EXTENSIONS.items() if start.startswith(sign))
    return next(known, _OTHER_EXTENSION)
