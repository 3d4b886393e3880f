"""Writes the records of all splits, each photo encoded once, however many turn out unreadable."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from recordio_prep.encode import Encoded, Job, Unreadable, encode_photo
from recordio_prep.recordio import RecordWriter, read_photo
from recordio_prep.workers import encode_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from recordio_prep.plan import Item
    from recordio_prep.settings import Settings
    from recordio_prep.statistics import Moments


@dataclass(frozen=True, slots=True)
class Packed:
    """A photo as it stands in a split's record file.

    Attributes:
        rec: The record file.
        offset: Where its record starts, in bytes.
        encoding: "jpeg" or "png".
        digest: SHA-256 of the photo file.
        moments: Of its prepared pixels.
    """

    item: Item
    rec: Path
    offset: int
    encoding: str
    digest: bytes
    moments: Moments


class SplitWriter:
    """Writes `<split>.rec`, `.idx` and `.lst` into a folder."""

    def __init__(self, folder: Path, split: str) -> None:
        self._rec = folder / f"{split}.rec"
        lst = folder / f"{split}.lst"
        with ExitStack() as files:
            self._records = files.enter_context(RecordWriter(self._rec, folder / f"{split}.idx"))
            self._lst = files.enter_context(lst.open("w", encoding="utf-8", newline="\n"))
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._files.close()

    def append(self, item: Item, encoded: Encoded, encoding: str) -> Packed:
        """Write one photo as the split's next record."""
        offset = self._records.append(item.index, item.label, encoded.payload)
        self._lst.write(f"{item.index}\t{item.label}\t{item.photo.path}\n")
        return Packed(item, self._rec, offset, encoding, encoded.digest, encoded.moments)


def pack(
    plan: Mapping[str, Sequence[Item]], folder: Path, settings: Settings, *, workers: int
) -> tuple[list[Packed], list[tuple[Item, str]]]:
    """Encode every photo of the plan and write the splits into `folder`.

    Returns:
        What was packed, in the plan's order, and what could not be, each with its reason.
    """
    items = [item for split in plan.values() for item in split]
    packed: list[Packed] = []
    unreadable: list[tuple[Item, str]] = []
    with ExitStack() as files:
        writers = {split: files.enter_context(SplitWriter(folder, split)) for split in plan}
        jobs = (_job(item, settings) for item in items)
        bar = tqdm(total=len(items), desc="Packing", unit="photo", disable=None)
        files.enter_context(bar)
        for item, outcome in zip(items, encode_all(jobs, workers=workers), strict=True):
            bar.update()
            if isinstance(outcome, Unreadable):
                unreadable.append((item, outcome.reason))
            else:
                encoding = settings.encoding_of(item.split)
                packed.append(writers[item.split].append(item, outcome, encoding))
    return packed, unreadable


def repack(
    plan: Mapping[str, Sequence[Item]],
    folder: Path,
    settings: Settings,
    *,
    packed: Iterable[Packed],
) -> tuple[list[Packed], list[tuple[Item, str]]]:
    """Write the splits of another plan of the same photos into `folder`.

    Payloads are copied; only a photo that changes to a split of another encoding is encoded again.

    Returns:
        As `pack`; unreadable is what changed on the disk meanwhile.
    """
    former = {entry.item.file: entry for entry in packed}
    repacked: list[Packed] = []
    unreadable: list[tuple[Item, str]] = []
    for split, items in plan.items():
        encoding = settings.encoding_of(split)
        with SplitWriter(folder, split) as writer:
            for item in items:
                outcome = _copied(former[item.file], encoding) or encode_photo(_job(item, settings))
                if isinstance(outcome, Unreadable):
                    unreadable.append((item, outcome.reason))
                else:
                    repacked.append(writer.append(item, outcome, encoding))
    return repacked, unreadable


def _copied(former: Packed, encoding: str) -> Encoded | None:
    if former.encoding != encoding:
        return None
    return Encoded(read_photo(former.rec, former.offset), former.digest, former.moments)


def _job(item: Item, settings: Settings) -> Job:
    return Job(item.file, settings.size, settings.encoding_of(item.split), settings.quality)
