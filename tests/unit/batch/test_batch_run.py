"""A run from folder to table, and again after it was broken off."""

import gc
import os
import re
import socket
import threading
import tracemalloc

import pytest
from batch_api import BAD, fill, photo_of
from batch_runs import BEGAN, Shelf, run, settings_of, table

from batch.errors import BatchError
from batch.journal import DONE, MOVING, SENDING, Journal
from batch.outcomes import SERVER_FAULT, Outcome
from batch.packing import LARGEST_PHOTO
from batch.photos import FolderSource, Photo
from batch.run import RunSettings, run_batch


@pytest.fixture
def photos(tmp_path):
    """Ten photos at several depths, and one file that is none."""
    names = [f"{'sub/' * (n % 3)}image_{n}_label_{n % 4}.png" for n in range(10)]
    folder = fill(tmp_path / "in", {name: photo_of(n % 5, name) for n, name in enumerate(names)})
    return fill(folder, {"readme.txt": b"", ".hidden.png": b""})


def test_every_photo_has_its_row_in_the_order_of_names(photos):
    """Whatever order the file system lists them in; other files are counted."""
    summary = run(photos, Shelf())
    rows = (photos.parent / "predictions.csv").read_text().splitlines()
    names = [row.partition(",")[0] for row in rows[1:]]
    assert rows[0] == "filename,prediction,error"
    assert names == sorted(names)
    assert len(names) == 10
    assert (summary.photos, summary.answered, summary.failed) == (10, 10, 0)
    assert (summary.other_files, summary.hidden_files, summary.linked_folders) == (1, 1, 0)


def test_the_refund_departments_table_has_two_columns(photos):
    """Its programs read `filename,prediction`, the prediction a whole number."""
    run(photos, Shelf(), settings_of(photos, columns=()))
    lines = (photos.parent / "predictions.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b"filename,prediction"
    assert all(re.fullmatch(rb"[\w/.]+,\d", line) for line in lines[1:-1])
    assert lines[-1] == b""


def test_a_failed_photo_keeps_its_row_and_its_reason(photos):
    """The summary names it, and no table says a number for it."""
    fill(photos, {"bad.png": BAD})
    summary = run(photos, Shelf())
    assert summary.failures == (("bad.png", "no photo"),)
    assert (summary.answered, summary.failed) == (10, 1)
    assert table(photos)["bad.png"] == ""


def test_a_photo_that_fits_into_no_request_is_told_before_it_is_read(photos):
    """Its size and the limit are named; it is not sent."""
    with (photos / "huge.png").open("wb") as file:
        file.truncate(LARGEST_PHOTO + 1)
    shelf = Shelf()
    (failure,) = run(photos, shelf).failures
    assert failure[0] == "huge.png"
    assert f"expected {LARGEST_PHOTO:,} at most" in failure[1]
    assert len(shelf.sent) == 10


def test_an_empty_file_is_told_and_not_sent(photos):
    """As a camera's card leaves it that was taken out too early."""
    fill(photos, {"empty.jpg": b""})
    shelf = Shelf()
    (failure,) = run(photos, shelf).failures
    assert failure == ("empty.jpg", "the file is empty (copy it again from where it came from)")
    assert b"" not in shelf.sent


def test_a_link_to_nowhere_is_told_and_the_others_go_on(photos):
    """What cannot be read is a row with its reason."""
    (photos / "gone.png").symlink_to(photos / "nowhere")
    (failure,) = run(photos, Shelf()).failures
    assert failure[0] == "gone.png"
    assert "cannot be read" in failure[1]


@pytest.fixture(params=["pipe", "socket", "device"])
def no_file(request, photos):
    """Something with a photo's ending that is no regular file."""
    path = photos / "a.jpg"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    return path.name


def test_what_is_no_regular_file_is_told_and_not_waited_for(photos, no_file):
    """A pipe that nobody writes to would hold the job for ever, /dev/zero would fill the memory."""
    failure = (no_file, "it cannot be read: not a regular file")
    assert run(photos, Shelf()).failures == (failure,)


def test_a_run_that_broke_off_goes_on_without_losing_or_repeating_a_photo(photos):
    """The table appears at the end of the second run, complete; what was answered is not sent."""
    first, second = Shelf(fails_at=6), Shelf()
    with pytest.raises(BatchError, match="gone"):
        run(photos, first)
    assert not (photos.parent / "predictions.csv").exists()
    summary = run(photos, second)
    assert sorted(first.sent + second.sent) == sorted(p.read_bytes() for p in photos.rglob("im*"))
    assert summary.earlier == len(first.sent) == 6
    assert len(table(photos)) == 10


def test_photos_whose_answers_were_on_their_way_are_counted(photos):
    """They were sent before the end and have no answer: the one case of sending twice."""
    with pytest.raises(BatchError):
        run(photos, Shelf(fails_at=6))
    assert run(photos, Shelf()).sent_again == 3


def test_answers_that_came_beside_a_failure_are_kept(photos):
    """With several requests at once, one that fails does not cost the others their answers."""
    arrived = threading.Barrier(2, timeout=20)

    def send(batch):
        arrived.wait()
        if len(batch) == 1:
            raise BatchError("the API is gone")
        return [Outcome(1)] * len(batch)

    folder = fill(photos.parent / "four", {f"{n}.png": photo_of(n) for n in range(4)})
    settings = settings_of(folder, concurrency=2)
    with Journal(settings.journal) as journal, pytest.raises(BatchError):
        run_batch(FolderSource(folder), journal, send, settings, began=BEGAN)
    with Journal(settings.journal) as journal:
        assert journal.counts().answered == 3


def test_a_second_run_sends_only_what_is_new_or_changed(photos):
    """The journal is the mark of what is done; another content of the same name is another photo."""
    run(photos, Shelf())
    fill(photos, {"new.png": photo_of(8), "image_0_label_0.png": photo_of(7, "changed")})
    shelf = Shelf()
    summary = run(photos, shelf)
    assert sorted(shelf.sent) == [photo_of(7, "changed"), photo_of(8)]
    assert summary.earlier == 9
    assert table(photos)["image_0_label_0.png"] == "7"


def test_a_photo_that_is_gone_leaves_the_next_table(photos):
    """A new run is about what is there."""
    run(photos, Shelf())
    (photos / "image_0_label_0.png").unlink()
    assert run(photos, Shelf()).photos == 9
    assert "image_0_label_0.png" not in table(photos)


def test_a_photo_that_vanishes_while_a_run_is_broken_off_is_told(photos):
    """It was listed and never answered: its row says so."""
    with pytest.raises(BatchError):
        run(photos, Shelf(fails_at=0))
    (photos / "image_0_label_0.png").unlink()
    (failure,) = run(photos, Shelf()).failures
    assert failure == ("image_0_label_0.png", "it was gone before it could be sent")


@pytest.mark.parametrize(
    ("again", "sent"), [("passing", [photo_of(1)]), ("failed", [photo_of(1), BAD])]
)
def test_what_failed_is_sent_again_where_that_may_help(photos, again, sent):
    """A server's fault may have passed; a damaged photo is damaged until someone says otherwise."""
    folder = fill(photos.parent / "two", {"a.png": photo_of(1), "b.png": BAD, "c.png": photo_of(2)})

    class Failing(Shelf):
        def send(self, batch):
            found = super().send(batch)
            return [
                Outcome(error="500", code=SERVER_FAULT) if o.prediction == 1 else o for o in found
            ]

    run(folder, Failing())
    shelf = Shelf()
    run(folder, shelf, settings_of(folder, again=again))
    assert shelf.sent == sent


def test_everything_is_sent_again_on_demand(photos):
    """As another model wants it."""
    run(photos, Shelf())
    shelf = Shelf()
    run(photos, shelf, settings_of(photos, again="all"))
    assert len(shelf.sent) == 10


def test_answered_photos_are_moved_once_the_table_stands(photos):
    """Those that failed stay where they are; the folders below go along."""
    fill(photos, {"bad.png": BAD})
    done = photos.parent / "done"
    seen = []
    settings = settings_of(photos, move_done=str(done))
    run(photos, Shelf(), settings, on_table=lambda rows: seen.extend(name for name, _ in rows))
    assert len(seen) == 11
    assert {path.name for path in photos.rglob("*.png")} == {".hidden.png", "bad.png"}
    assert len(list(done.rglob("image_*.png"))) == 10
    assert (done / "sub" / "image_1_label_1.png").is_file()


def test_a_run_that_ended_while_it_moved_photos_is_made_good(photos):
    """The next one moves the rest, and does not send what the table has already."""
    done = photos.parent / "done"
    settings = settings_of(photos, move_done=str(done))
    run(photos, Shelf())
    with Journal(settings.journal) as journal:
        journal.enter(MOVING)
    shelf = Shelf()
    run(photos, shelf, settings)
    assert shelf.sent == []
    assert len(list(done.rglob("image_*.png"))) == 10


def test_a_dated_table_bears_the_time_at_which_its_run_began(photos):
    """Also where a run goes on the day after."""
    settings = settings_of(photos, dated=True)
    with pytest.raises(BatchError):
        run(photos, Shelf(fails_at=6), settings)
    with Journal(settings.journal) as journal:
        summary = run_batch(
            FolderSource(photos), journal, Shelf().send, settings, began="2026-11-25T020000"
        )
    assert summary.table.endswith(f"predictions-{BEGAN}.csv")
    assert len(table(photos, f"predictions-{BEGAN}.csv")) == 10


def test_a_server_that_fails_at_everything_ends_the_run(photos):
    """Before every photo is given up for it; the next run asks about all of them."""

    def send(batch):
        return [Outcome(error="500 2 times: boom", code=SERVER_FAULT)] * len(batch)

    settings = settings_of(photos)
    with Journal(settings.journal) as journal, pytest.raises(BatchError, match="boom"):
        run_batch(FolderSource(photos), journal, send, settings, began=BEGAN)
    with Journal(settings.journal) as journal:
        assert journal.state == SENDING
        assert journal.counts().answered == 0
    shelf = Shelf()
    assert run(photos, shelf).answered == len(shelf.sent) == 10


def test_a_journal_of_other_photos_is_refused(photos):
    """Two folders into one table would each remove the other's rows."""
    run(photos, Shelf())
    other = fill(photos.parent / "other", {"a.png": photo_of(1)})
    with pytest.raises(BatchError, match="is the journal of"):
        run(other, Shelf())


@pytest.mark.parametrize("text", [b"filename,prediction\r\n", b"SQLite format 3\0" + b"x" * 200])
def test_a_file_that_is_no_journal_is_refused(photos, text):
    """Named with the mend; nothing is overwritten."""
    journal = settings_of(photos).journal
    journal.write_bytes(text)
    with pytest.raises(BatchError, match="cannot be used as a journal"):
        run(photos, Shelf())
    assert journal.read_bytes() == text


def test_names_that_are_no_utf_8_stand_escaped_in_a_table_of_utf_8(photos):
    """Old cameras' and Windows' names; whatever reads the table can read all of it."""
    names = {os.fsdecode(b"caf\xe9.png"): photo_of(3), os.fsdecode(b"bad\xe9.png"): BAD}
    fill(photos, {**names, "café.png": photo_of(4)})
    summary = run(photos, Shelf())
    rows = (photos.parent / "predictions.csv").read_text(encoding="utf-8")
    assert "\ncaf\\xe9.png,3," in rows
    assert "\ncafé.png,4," in rows
    assert summary.failures == (("bad\\xe9.png", "no photo"),)


def test_progress_begins_with_what_is_done_already(photos):
    """And ends at the number of photos, failed ones counted."""
    with pytest.raises(BatchError):
        run(photos, Shelf(fails_at=6))
    seen = []
    run(photos, Shelf(), on_progress=lambda done, of: seen.append((done, of)))
    assert (seen[0], seen[-1]) == ((6, 10), (10, 10))


def test_a_finished_run_is_marked_so(photos):
    """The next one begins anew in place of going on."""
    run(photos, Shelf())
    with Journal(settings_of(photos).journal) as journal:
        assert journal.state == DONE


def test_a_folder_without_photos_is_an_empty_table(tmp_path):
    """A night on which nothing came in is no error."""
    summary = run(fill(tmp_path / "in", {"readme.txt": b""}), Shelf())
    assert summary.photos == 0
    assert (tmp_path / "predictions.csv").read_text() == "filename,prediction,error\n"


def test_accuracy_is_told_where_names_carry_classes(photos):
    """image_<n>_label_<n % 4> is answered n % 5."""
    accuracy = run(photos, Shelf()).accuracy
    assert (accuracy.photos, accuracy.right) == (10, 4)
    assert [one.label for one in accuracy.classes] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"columns": ("labels",)}, "labels"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"batch_size": 20_001}, "20001"),
        ({"concurrency": 65}, "concurrency 65"),
    ],
)
def test_settings_outside_their_range_are_refused(photos, options, named):
    """The value and what was expected are named."""
    with pytest.raises(BatchError, match=f"{named}.*expected"):
        settings_of(photos, **options)


class Endless:
    """A source of as many small photos as asked for, listed backwards."""

    def __init__(self, count):
        self.count = count

    def photos(self):
        return (Photo(f"{n:06d}.png", 9, "1") for n in reversed(range(self.count)))

    def read(self, name):
        return photo_of(int(name[5]), name)


def peak_of(folder, count):
    """Bytes of Python objects at the run's worst moment."""
    settings = RunSettings("endless", folder / f"{count}.csv", concurrency=2)
    with Journal(settings.journal) as journal:
        gc.collect()  # what earlier tests have left
        tracemalloc.start()
        try:
            run_batch(Endless(count), journal, Shelf(keep=False).send, settings, began=BEGAN)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_memory_does_not_grow_with_the_photos(tmp_path):
    """Ten times the photos take no more of it; the journal sorts them."""
    peak_of(tmp_path, 100)  # what is loaded once
    few, many = peak_of(tmp_path, 1000), peak_of(tmp_path, 10_000)
    assert many < few + 600_000  # a photo's name and outcome alone take 300 bytes
    assert len((tmp_path / "10000.csv").read_text().splitlines()) == 10_001
