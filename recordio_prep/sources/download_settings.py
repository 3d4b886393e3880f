"""What a person may choose about downloads, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import MAX_PHOTO_BYTES, DatasetError

MAX_WORKERS = 256


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """How links are downloaded.

    Attributes:
        workers: Downloads at the same time, 1 to 256.
        per_host: Of these, from one host (the link's own; where it redirects to is not counted).
        photo_bytes: Largest photo, in bytes, 1 to MAX_PHOTO_BYTES.
        total_bytes: Of all photos together, in bytes; None for no limit. The cache may get
            `ahead` photos more.
        redirects: How many are followed, one after the other.
        connect_seconds: To look up a host and to connect to it, each.
        read_seconds: Without a single byte from the server.
        total_seconds: For a download as a whole; what takes longer is not tried again.
        retries: After the first try, where the same might succeed in a moment.
        backoff_seconds: Before the first retry, doubled before each further one.
        pause_seconds: Longest wait before a retry, even where the server asks for more.
        allow_private: Connect to addresses that are not public too.

    Raises:
        DatasetError: a value outside these ranges.
    """

    workers: int = 16
    per_host: int = 4
    photo_bytes: int = MAX_PHOTO_BYTES
    total_bytes: int | None = None
    redirects: int = 5
    connect_seconds: float = 10
    read_seconds: float = 30
    total_seconds: float = 120
    retries: int = 3
    backoff_seconds: float = 1
    pause_seconds: float = 60
    allow_private: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise DatasetError(f"{self.workers} downloads at a time, expected 1 to {MAX_WORKERS}")
        if self.per_host < 1:
            raise DatasetError(f"{self.per_host} downloads from a host, expected 1 at least")
        if not 1 <= self.photo_bytes <= MAX_PHOTO_BYTES:
            raise DatasetError(f"photos of {self.photo_bytes}, expected 1 to {MAX_PHOTO_BYTES:,}")
        if self.total_bytes is not None and self.total_bytes < 1:
            raise DatasetError(f"{self.total_bytes} bytes in all, expected 1 at least")
        if min(self.connect_seconds, self.read_seconds, self.total_seconds) <= 0:
            raise DatasetError("a time-out of 0 seconds or less, expected more")
        if min(self.redirects, self.retries, self.backoff_seconds, self.pause_seconds) < 0:
            raise DatasetError("redirects, retries and the pause between them are 0 at least")

    @property
    def ahead(self) -> int:
        """Links that are looked at before the first of them is done: what bounds the memory."""
        return 8 * self.workers
