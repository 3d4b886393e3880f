"""The nightly job: every photo of a source answered once, into a table, whatever breaks it off."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from batch.accuracy import Accuracy, measure_accuracy
from batch.errors import BatchError
from batch.journal import DONE, MOVING
from batch.outcomes import EMPTY_FILE, SERVER_FAULT, TOO_LARGE, UNREADABLE_FILE, Outcome
from batch.packing import LARGEST_PHOTO, MOST_IMAGES, pack
from batch.photos import UNREADABLE, LeftOut
from batch.putting_away import MOST_SHOWN, PutAway
from batch.table import COLUMNS, write_table
from contracts import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batch.journal import Again, Journal
    from batch.photos import Photo, Source
    from batch.sending import Send

    OnProgress = Callable[[int, int], None]
    OnTable = Callable[[Iterator[tuple[str, Outcome]]], None]

MOST_AT_ONCE = 64
"""Requests under way: beyond, photos would wait at the API in place of here."""

_LOST_BATCHES = 2
_EMPTY = Outcome(error="the file is empty (copy it again from where it came from)", code=EMPTY_FILE)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run goes about it.

    Attributes:
        source: the photos' address, by which the journal is told from another's.
        out: the table.
        dated: whether the table's name tells when its run began, `predictions-<time>.csv`.
        columns: some of COLUMNS.
        batch_size: photos in one request, 1 to 20,000.
        concurrency: requests at once, 1 to 64.
        move_done: where answered photos go once the table stands; None leaves them.
        again: which photos of an earlier run are asked about again, as `Journal.take_in` has it.

    Raises:
        BatchError: a value outside these.
    """

    source: str
    out: Path
    dated: bool = False
    columns: tuple[str, ...] = ()
    batch_size: int = 64
    concurrency: int = 4
    move_done: str | None = None
    again: Again = "passing"

    def __post_init__(self) -> None:
        if unknown := [name for name in self.columns if name not in COLUMNS]:
            raise BatchError(
                f"column {unknown[0]!r}: expected some of {', '.join(COLUMNS)}",
                hint="filename and prediction are always there",
            )
        for name, value, most in (
            ("batch_size", self.batch_size, MOST_IMAGES),
            ("concurrency", self.concurrency, MOST_AT_ONCE),
        ):
            if not 1 <= value <= most:
                raise BatchError(f"{name} {value}: expected 1 to {most:,}")

    @property
    def journal(self) -> Path:
        """The journal's place: the same for every run, whatever its table is called."""
        return self.out.with_name(f"{self.out.name}.journal")

    def table(self, began: str) -> Path:
        """The table of the run that began then."""
        if not self.dated:
            return self.out
        return self.out.with_name(f"{self.out.stem}-{began}{self.out.suffix}")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        photos: in the table.
        answered: of these, those with a prediction.
        unlabelled: answered without label, confidence and verdict, which the API did not tell.
        failed: of these, those without.
        earlier: answered by an earlier run, and not sent in this one.
        sent_again: sent before the run was broken off; whether they were answered is not known.
        other_files: left out, since their endings are no photo's.
        hidden_files: left out, since their names begin with a dot.
        linked_folders: left out, since they may lead back to where they lie.
        seconds: of this run.
        table: where it is.
        failures: the first failed photos with their reasons; the column `error` has all.
        renamed: moved under another name, since other bytes had theirs.
        renames: the first of these with their new names.
        replaced: not moved, since other photos have taken their places.
        accuracy: where names carry classes.
    """

    photos: int
    answered: int
    unlabelled: int
    failed: int
    earlier: int
    sent_again: int
    other_files: int
    hidden_files: int
    linked_folders: int
    seconds: float
    table: str
    failures: tuple[tuple[str, str], ...]
    renamed: int
    renames: tuple[tuple[str, str], ...]
    replaced: int
    accuracy: Accuracy | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def run_batch(
    source: Source,
    journal: Journal,
    send: Send,
    settings: RunSettings,
    *,
    began: str,
    on_progress: OnProgress = lambda _done, _of: None,
    on_table: OnTable = lambda _outcomes: None,
) -> Summary:
    """Answer every photo of the source that has no answer yet, then write the table.

    Memory holds the photos of `concurrency` + 1 requests, however many there are in all.

    Args:
        source: the photos.
        journal: beside the table; nobody else may use it meanwhile.
        send: asks the API about a batch; called by several threads.
        settings: how.
        began: now, as a dated table's name is to tell it.
        on_progress: takes how many photos are done, and how many there are.
        on_table: takes all outcomes by name, once the table stands and the photos are still there.

    Raises:
        BatchError: the API or the disk fails. The same call goes on from there.
    """
    start = perf_counter()
    away = PutAway()
    if journal.state == MOVING:  # the run before was ended when its table stood already
        _put_away(source, journal, settings, away)
    resumed = journal.begin(settings.source, began)
    listing = _Listing(source)
    journal.take_in(listing.photos(), resumed=resumed, again=settings.again)
    at_first = journal.counts()
    _Run(source, journal, send, settings, on_progress).answer_all()
    table = settings.table(journal.began)
    write_table(table, journal.outcomes(), settings.columns)
    on_table(journal.outcomes())
    _put_away(source, journal, settings, away)
    counts = journal.counts()
    return Summary(
        photos=counts.photos,
        answered=counts.answered,
        unlabelled=counts.unlabelled,
        failed=counts.failed,
        earlier=at_first.answered,
        sent_again=at_first.unanswered_sent,
        other_files=listing.left_out[LeftOut.OTHER],
        hidden_files=listing.left_out[LeftOut.HIDDEN],
        linked_folders=listing.left_out[LeftOut.FOLDER_LINK],
        seconds=round(perf_counter() - start, 3),
        table=str(table),
        failures=_failures(journal),
        renamed=away.renamed,
        renames=tuple(away.renames),
        replaced=away.replaced,
        accuracy=measure_accuracy(journal.outcomes()),
    )


def _put_away(source: Source, journal: Journal, settings: RunSettings, away: PutAway) -> None:
    """Move what was answered, if that is wanted; a kill meanwhile is made good by the next run."""
    journal.enter(MOVING)
    if settings.move_done is not None:
        away.move(source, journal.answered(), settings.move_done)
    journal.enter(DONE)


def _failures(journal: Journal) -> tuple[tuple[str, str], ...]:
    failed = (
        (escaped(name), each.error) for name, each in journal.outcomes() if each.prediction is None
    )
    return tuple(pair for _, pair in zip(range(MOST_SHOWN), failed, strict=False))


class _Listing:
    """The photos of a source, and how much else there is beside them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.left_out: Counter[LeftOut] = Counter()

    def photos(self) -> Iterator[Photo]:
        for photo in self._source.photos():
            if isinstance(photo, LeftOut):
                self.left_out[photo] += 1
            else:
                yield photo


class _Run:
    """Requests under way, and the photos in them."""

    def __init__(
        self,
        source: Source,
        journal: Journal,
        send: Send,
        settings: RunSettings,
        on_progress: OnProgress,
    ) -> None:
        self._source, self._journal, self._send = source, journal, send
        self._settings, self._on_progress = settings, on_progress
        self._under_way: dict[Future[list[Outcome]], list[str]] = {}
        counts = journal.counts()
        self._done, self._of = counts.answered + counts.failed, counts.photos
        self._lost_in_a_row = 0

    def answer_all(self) -> None:
        """Send all that is pending.

        Raises:
            BatchError: the API fails as a whole; what it has answered by then is written down.
        """
        self._on_progress(self._done, self._of)
        with ThreadPoolExecutor(self._settings.concurrency, "batch") as pool:
            try:
                for batch in pack(self._readable(), self._settings.batch_size):
                    self._collect(leave=self._settings.concurrency - 1)
                    names = [name for name, _ in batch]
                    self._journal.mark_sent(names)  # none waits for a thread: it is on its way
                    task = pool.submit(self._send, [data for _, data in batch])
                    self._under_way[task] = names
                self._collect(leave=0)
            finally:
                pool.shutdown(cancel_futures=True)
                self._keep_answers()

    def _readable(self) -> Iterator[tuple[str, bytes]]:
        """Pending photos that can be read and fit into a request; of others the reason is kept."""
        for photo in self._journal.pending():
            if photo.size > LARGEST_PHOTO:
                self._record([photo.name], [_too_large(photo.size)])
                continue
            try:
                data = self._source.read(photo.name)
            except UNREADABLE as error:
                words = getattr(error, "strerror", None) or error
                reason = Outcome(error=f"it cannot be read: {words}", code=UNREADABLE_FILE)
                self._record([photo.name], [reason])
                continue
            if not data:
                self._record([photo.name], [_EMPTY])
                continue
            if len(data) > LARGEST_PHOTO:  # it has grown since it was listed
                self._record([photo.name], [_too_large(len(data))])
                continue
            yield photo.name, data

    def _collect(self, *, leave: int) -> None:
        """Wait until no more than `leave` requests are under way; write down what came."""
        while len(self._under_way) > leave:
            done, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
            for task in done:
                outcomes = task.result()
                self._record(self._under_way.pop(task), outcomes)
                self._check_still_alive(outcomes)

    def _keep_answers(self) -> None:
        """Write down what was answered while another request failed for good."""
        for task, names in self._under_way.items():
            if task.done() and not task.cancelled() and task.exception() is None:
                self._record(names, task.result())

    def _record(self, names: list[str], outcomes: list[Outcome]) -> None:
        self._journal.record(zip(names, outcomes, strict=True))
        self._done += len(names)
        self._on_progress(self._done, self._of)

    def _check_still_alive(self, outcomes: list[Outcome]) -> None:
        """End a run whose server fails at everything, before all photos are given up for it."""
        lost = all(each.code == SERVER_FAULT for each in outcomes)
        self._lost_in_a_row = self._lost_in_a_row + 1 if lost else 0
        if self._lost_in_a_row >= _LOST_BATCHES:
            raise BatchError(
                f"the API failed at every photo of {_LOST_BATCHES} batches: {outcomes[0].error}",
                hint="its log tells why; the same command goes on from here once it is mended",
            )


def _too_large(size: int) -> Outcome:
    return Outcome(
        error=f"{size:,} bytes: expected {LARGEST_PHOTO:,} at most (make it smaller)",
        code=TOO_LARGE,
    )
